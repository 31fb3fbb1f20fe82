/** Milliseconds of a clock that only goes forward, and that all threads and processes of this machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
