/** Bytes that are read by ranges: a file, an S3 object, what an HTTP server has. */
export interface RandomAccess {
  readonly byteLength: number;
  /**
   * @param end behind the last byte; the end of all when left out
   * @returns a buffer that nobody else uses
   */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}
