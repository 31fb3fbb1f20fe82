"""Writes the frames beside it as data scientists would: needs pandas, polars and pyarrow."""

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa

FOLDER = Path(__file__).parent


def write(name: str, table: pa.Table, **options) -> None:
    with pa.OSFile(str(FOLDER / f"{name}.arrows"), "wb") as sink:
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table, max_chunksize=3)


frame = pd.DataFrame(
    {
        "a": [1.5, 2, None, 4, 5],
        "n": pd.array([1, 2, None, 4, 70_000_000_000], dtype="Int64"),
        "colour": pd.Categorical(["red", "green", "red", None, "red"]),
        "kind": ["x", "y", "x", "y", "longer than twelve bytes"],
        "pair": [[1.0, 2.0], [3.0, 4.0], [5.0], None, [7.0, 8.0]],
        "id": [10, 11, 12, 13, 2**53 + 1],
    }
)
table = pa.Table.from_pandas(frame)
write("pandas", table)
other = {
    "a": pa.float16(),
    "n": pa.int64(),
    "colour": pa.large_string(),
    "kind": pa.dictionary(pa.uint8(), pa.string()),
    "pair": pa.large_list(pa.float64()),
    "id": pa.uint64(),
}
write("large", table.cast(pa.schema(list(other.items()))))
write("zstd", table, compression="zstd")
write("lz4", table, compression="lz4")
write("time", pa.table({"a": pa.array([0], pa.timestamp("us")), "kind": ["x"], "pair": [[1.0, 2.0]], "colour": ["red"]}))
with pa.OSFile(str(FOLDER / "file.arrow"), "wb") as sink:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
pl.from_pandas(frame).write_ipc_stream(FOLDER / "polars.arrows")
frame.to_parquet(FOLDER / "pandas.parquet")
pl.from_pandas(frame).write_parquet(FOLDER / "polars.parquet")
