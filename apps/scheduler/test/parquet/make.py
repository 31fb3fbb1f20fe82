"""Writes the Parquet files of the tests beside itself, with another library than the one that reads them.

    pip install pyarrow==26.0.1
    python make.py
"""
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
UTC = timezone.utc

columns = {
    "user_id": (pa.int64(), [9007199254740991, 9007199254740993, -9223372036854775808, None]),
    "big": (pa.uint64(), [0, 18446744073709551615, 9007199254740991, None]),
    "small": (pa.int8(), [-128, 127, 0, None]),
    "unsigned": (pa.uint32(), [0, 4294967295, 1, None]),
    "ratio": (pa.float64(), [0.1, float("nan"), float("-inf"), None]),
    "single": (pa.float32(), [0.5, -0.25, 1e10, None]),
    "half": (pa.float16(), [0.5, -2.0, 65504.0, None]),
    "active": (pa.bool_(), [True, False, True, None]),
    "name": (pa.string(), ["Zoë \"Z\"\n", "", "日本", None]),
    "segment": (pa.dictionary(pa.int32(), pa.string()), ["gold", "tin", "gold", None]),
    "raw": (pa.binary(), [b"text", b"", "é".encode(), None]),
    "day": (pa.date32(), [date(2026, 11, 20), date(1969, 12, 31), date(2000, 2, 29), None]),
    "clock": (pa.time64("us"), [time(2, 30), time(23, 59, 59, 999999), time(0), None]),
    "at": (
        pa.timestamp("us", tz="Europe/Berlin"),
        [
            datetime(2026, 11, 20, 1, 30, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2000, 1, 1, tzinfo=UTC),
            None,
        ],
    ),
    "local": (
        pa.timestamp("ms"),
        [datetime(2026, 10, 25, 2, 30), datetime(1970, 1, 1, 0, 0, 0, 1000), datetime(2000, 1, 1), None],
    ),
    "nano": (pa.timestamp("ns", tz="UTC"), [1763606400123456789, -1, 0, None]),
    "price": (pa.decimal128(38, 4), [Decimal("1234567890123456789012.3456"), Decimal("-0.0007"), Decimal("0"), None]),
    "whole": (pa.decimal128(20, 0), [Decimal("12345678901234567890"), Decimal("-7"), Decimal("0"), None]),
    "pixels": (pa.list_(pa.list_(pa.float32())), [[[0.5, 1.0], []], [], [[None], None], None]),
    "ids": (pa.list_(pa.int64()), [[1, 9007199254740993], [None], [], None]),
    "key": (pa.uuid(), [UUID(int=1).bytes, UUID(int=2**128 - 1).bytes, UUID(int=0).bytes, None]),
}
table = pa.table({name: pa.array(values, type=type_) for name, (type_, values) in columns.items()})
pq.write_table(table, HERE / "types.parquet", row_group_size=3, compression="none")
legacy = table.select(["at"])
pq.write_table(legacy, HERE / "int96.parquet", use_deprecated_int96_timestamps=True)

for codec in ["snappy", "gzip", "brotli", "zstd", "lz4"]:
    rows = pa.table({"row": list(range(1000)), "text": [f"{codec} " * 5] * 1000})
    pq.write_table(rows, HERE / f"{codec}.parquet", compression=codec, data_page_version="2.0")

pq.write_table(pa.table({"a": [1], "nested": [{"x": 1, "y": 2}]}), HERE / "struct.parquet")
pq.write_table(pa.table({"a": [1], "only": [{"x": 1}]}), HERE / "struct-of-one.parquet")
pq.write_table(pa.table({"m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))}), HERE / "map.parquet")
pq.write_table(pa.table({"b": pa.array([b"\xff\xfe"])}), HERE / "binary.parquet")
pq.write_table(pa.table({"f": pa.array([b"ab"], pa.binary(2))}), HERE / "fixed.parquet")
pq.write_table(pa.table({"a": pa.array([], pa.int64())}), HERE / "empty.parquet")
