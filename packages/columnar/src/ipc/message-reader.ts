/**
 * The message reader is responsible for finding the messages of an Arrow IPC stream in bytes that arrive in pieces. Copies
 * each byte once, and holds one message.
 */
import { MalformedArrowError, Table } from './flatbuffer.js';

export type MessageKind = 'schema' | 'dictionary' | 'batch';

export interface Message {
  kind: MessageKind;
  header: Table;
  body: Uint8Array;
}

/** In bytes. */
export interface MessageBounds {
  metadata: number;
  body: number;
}

/** A message, or what is kept of several, is larger than it may be. */
export class MessageTooLargeError extends Error {
  /** @param what has so many bytes, in words, verb included @param hint what to do about it */
  constructor(
    what: string,
    bytes: number,
    readonly limitBytes: number,
    readonly hint: string,
  ) {
    super(`${what} ${bytes} bytes, more than ${limitBytes}`);
  }
}

const HINTS: Readonly<Record<MessageKind | 'metadata', string>> = {
  metadata: 'send fewer columns, with pyarrow: without metadata of their own (replace_schema_metadata)',
  schema: 'a schema has no body',
  dictionary: 'send the column as strings, or with fewer categories',
  batch: 'write smaller record batches, with pyarrow: writer.write_table(table, max_chunksize=10_000)',
};

/** As of a dictionary that is too large by itself. */
export const DICTIONARY_HINT = HINTS.dictionary;

const KINDS: Readonly<Record<number, MessageKind>> = { 1: 'schema', 2: 'dictionary', 3: 'batch' };
const CONTINUATION = 0xffffffff;
/** Messages since Arrow 0.15 begin with a continuation marker and the length of their metadata. */
const PREFIX_BYTES = 8;
/** `ARRO`, with which the file format begins. */
const FILE_MAGIC = 0x4f525241;
/** Of MetadataVersion: V4 and V5 lay out the types that are read here alike. */
const VERSIONS = [3, 4];

export class MessageReader {
  private stage: 'prefix' | 'metadata' | 'body' | 'ended' = 'prefix';
  private target = new Uint8Array(PREFIX_BYTES);
  private filled = 0;
  private open: Pick<Message, 'kind' | 'header'> | undefined;
  /** Of the message whose body is read. */
  private metadataBytes = 0;

  /**
   * @param bounds of one message
   * @param hold hears how many bytes of a message are in memory from now on, and may refuse them
   */
  constructor(
    private readonly bounds: MessageBounds,
    private readonly hold: (bytes: number) => void = () => {},
  ) {}

  /**
   * The messages that this piece completes.
   * @throws MalformedArrowError, MessageTooLargeError
   */
  *push(piece: Uint8Array): Generator<Message> {
    for (let at = 0; at < piece.length; ) {
      if (this.stage === 'ended') throw new MalformedArrowError('there are bytes behind its end');
      const part = piece.subarray(at, at + this.target.length - this.filled);
      this.target.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      // What has come, not what was announced: that would cost nothing, and take the room of others.
      if (this.stage !== 'prefix') this.hold(this.metadataBytes + this.filled);
      while (this.filled === this.target.length && this.target.length > 0) {
        const message = this.take();
        if (message === undefined) continue;
        yield message;
        this.hold(0);
      }
    }
  }

  /** To be called when no piece comes any more. @throws MalformedArrowError when the stream has not ended */
  end(): void {
    if (this.stage === 'ended') return;
    throw new MalformedArrowError(
      this.stage === 'prefix' && this.filled === 0
        ? 'its end-of-stream marker is missing: it was cut off, or its writer was not closed'
        : 'it ends in the middle of a message',
    );
  }

  /** The target is filled: what it is, and what comes next. */
  private take(): Message | undefined {
    const bytes = this.target;
    switch (this.stage) {
      case 'prefix':
        return this.takePrefix(new DataView(bytes.buffer));
      case 'metadata': {
        const { kind, header, bodyBytes } = readMessage(bytes);
        this.open = { kind, header };
        this.metadataBytes = bytes.length;
        if (bodyBytes === 0) return this.finish(new Uint8Array(0));
        this.expect('body', bodyBytes);
        return undefined;
      }
      default:
        return this.finish(bytes);
    }
  }

  private takePrefix(prefix: DataView): undefined {
    const marker = prefix.getUint32(0, true);
    if (marker === FILE_MAGIC) {
      throw new MalformedArrowError('it is an Arrow file; write the stream format (pyarrow.ipc.new_stream)');
    }
    if (marker !== CONTINUATION) throw new MalformedArrowError('a message does not begin with its marker');
    const length = prefix.getInt32(4, true);
    if (length < 0) throw new MalformedArrowError('a message has metadata of a negative length');
    if (length > 0) this.expect('metadata', length);
    else {
      this.stage = 'ended';
      this.target = new Uint8Array(0);
    }
    return undefined;
  }

  private finish(body: Uint8Array): Message {
    const message = { ...(this.open as Pick<Message, 'kind' | 'header'>), body };
    this.metadataBytes = 0;
    this.expect('prefix', PREFIX_BYTES);
    return message;
  }

  private expect(stage: 'prefix' | 'metadata' | 'body', bytes: number): void {
    if (stage !== 'prefix') this.refuseTooLarge(stage, bytes);
    this.stage = stage;
    this.target = new Uint8Array(bytes);
    this.filled = 0;
  }

  private refuseTooLarge(stage: 'metadata' | 'body', bytes: number): void {
    const limit = this.bounds[stage];
    if (bytes <= limit) return;
    const what = stage === 'metadata' ? 'the metadata of a message has' : 'a message has';
    const hint = HINTS[stage === 'metadata' ? stage : (this.open as Message).kind];
    throw new MessageTooLargeError(what, bytes, limit, hint);
  }
}

function readMessage(metadata: Uint8Array): Pick<Message, 'kind' | 'header'> & { bodyBytes: number } {
  const message = Table.root(metadata);
  const kind = KINDS[message.int8(1)];
  const header = message.table(2);
  if (!VERSIONS.includes(message.int16(0)) || kind === undefined || header === undefined) {
    throw new MalformedArrowError('it has a message of no known kind');
  }
  return { kind, header, bodyBytes: message.size(3) };
}
