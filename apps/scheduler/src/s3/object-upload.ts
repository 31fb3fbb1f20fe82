/** One object that is uploaded while its bytes come, and appears whole or not at all. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  NoSuchUpload,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { failureOf } from './failure.js';

export interface ObjectAddress {
  Bucket: string;
  Key: string;
}

/** All that is held of the bytes: 10,000 parts of this size, as many as there may be, are 156 GiB. */
const PART_BYTES = 16 * 1_048_576;
/** For telling the server that parts are not wanted any more. */
const ABORT_MS = 30_000;

/** Is responsible for the parts of one object: those that were sent, and the bytes of the next one. */
export class ObjectUpload {
  private readonly parts: CompletedPart[] = [];
  private uploadId: string | undefined;
  private pieces: Uint8Array[] = [];
  private size = 0;

  constructor(
    private readonly client: S3Client,
    private readonly address: ObjectAddress,
    private readonly contentType: string,
    private readonly signal: AbortSignal,
    private readonly partBytes = PART_BYTES,
  ) {}

  async add(piece: Uint8Array): Promise<void> {
    let rest = piece;
    while (this.size + rest.length > this.partBytes) {
      const taken = this.partBytes - this.size;
      this.hold(rest.subarray(0, taken));
      rest = rest.subarray(taken);
      await this.sendPart();
    }
    if (rest.length > 0) this.hold(rest);
  }

  /**
   * Begins the upload, so that whoever comes later can abort it. Even a small object is one of parts: an object that is
   * put at once, by a process that was thought dead, takes the place of a later one.
   */
  async begin(): Promise<void> {
    const command = new CreateMultipartUploadCommand({ ...this.address, ContentType: this.contentType });
    const { UploadId } = await this.client.send(command, { abortSignal: this.signal });
    if (UploadId === undefined) throw new Error('the server began an upload without an id');
    this.uploadId = UploadId;
  }

  /**
   * Nothing comes any more: sends the last part, which is never sent before.
   * @throws NoSuchUpload when somebody has aborted the upload
   */
  async end(): Promise<void> {
    await this.sendPart();
  }

  /**
   * Makes the object appear.
   * @throws NoSuchUpload when somebody has aborted the upload
   */
  async publish(): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.address,
      UploadId: this.uploadId,
      MultipartUpload: { Parts: this.parts },
    });
    await this.client.send(command, { abortSignal: this.signal });
    this.uploadId = undefined;
  }

  /** Frees what the server holds of an object that will not appear. Harmless after `publish`. */
  async abort(): Promise<void> {
    if (this.uploadId !== undefined) await abortUpload(this.client, this.address, this.uploadId);
    this.uploadId = undefined;
  }

  private hold(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.size += piece.length;
  }

  private takeHeld(): Uint8Array {
    const held = Buffer.concat(this.pieces, this.size);
    this.pieces = [];
    this.size = 0;
    return held;
  }

  private async sendPart(): Promise<void> {
    const PartNumber = this.parts.length + 1;
    const part = { UploadId: this.uploadId, PartNumber, Body: this.takeHeld() };
    const command = new UploadPartCommand({ ...this.address, ...part });
    const { ETag } = await this.client.send(command, { abortSignal: this.signal });
    this.parts.push({ PartNumber, ETag });
  }
}

/** Uploads of an object that processes left when they were killed. A server that does not list them is left alone. */
export async function abortLeftUploads(
  client: S3Client,
  { Bucket, Key }: ObjectAddress,
  signal: AbortSignal,
): Promise<void> {
  const uploads = await listUploads(client, { Bucket, Key }, signal);
  for (const { UploadId } of uploads) {
    if (UploadId !== undefined) await abortUpload(client, { Bucket, Key }, UploadId);
  }
}

async function listUploads(client: S3Client, { Bucket, Key }: ObjectAddress, signal: AbortSignal) {
  try {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix: Key });
    const { Uploads = [] } = await client.send(command, { abortSignal: signal });
    return Uploads.filter((upload) => upload.Key === Key);
  } catch (error) {
    if (failureOf(error) === 'unavailable' || failureOf(error) === 'not_found') throw error;
    return [];
  }
}

async function abortUpload(client: S3Client, address: ObjectAddress, UploadId: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ ...address, UploadId });
  try {
    await client.send(command, { abortSignal: AbortSignal.timeout(ABORT_MS) });
  } catch (error) {
    // Somebody else was quicker.
    if (!(error instanceof NoSuchUpload)) throw error;
  }
}
