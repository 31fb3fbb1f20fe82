/**
 * Looks into an ONNX file before ONNX Runtime does: whether it is one at all, is whole, and which other files it reads.
 * The format is protocol buffers (https://protobuf.dev/programming-guides/encoding); the field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */

export interface OnnxFile {
  /** Paths of external tensor data, as the file gives them. */
  externalData: string[];
  /** The newest opset that the file asks for, by domain; `ai.onnx` for the default one. */
  opsets: Record<string, number>;
}

/** @throws Error that says what the file is instead */
export function inspectOnnx(bytes: Uint8Array): OnnxFile {
  if (bytes.length === 0) throw new Error('is empty');
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64));
  if (start.startsWith('version https://git-lfs')) {
    throw new Error('is a Git LFS pointer and not the model; fetch it with "git lfs pull"');
  }
  const file: OnnxFile = { externalData: [], opsets: {} };
  const found = { graph: false };
  try {
    walk(bytes, 'model', file, found);
  } catch (error) {
    if (error instanceof CutOffError && found.graph)
      throw new Error(`is cut off: ${error.message}; copy it again`);
    if (error instanceof CutOffError && LOOKS_LIKE_ONNX.test(start)) {
      throw new Error(`is cut off: ${error.message}; copy it again`);
    }
    throw new Error('is not an ONNX file');
  }
  if (!found.graph) throw new Error('is not an ONNX file: it holds no graph');
  return file;
}

/** An ir_version (field 1, one byte), then the producer's name or an opset, a graph, ... */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the tags of a binary format
const LOOKS_LIKE_ONNX = /^\x08[\x01-\x20](?:[\x12\x1a\x22\x2a\x32\x3a\x42]|$)/;

class CutOffError extends Error {}

/** Messages on the way to tensors: field number → what it holds. */
const MESSAGES = {
  model: { 7: 'graph', 8: 'opset', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 9: 'opset', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'external' },
  external: {},
  opset: {},
} as const satisfies Record<string, Record<number, string>>;

type MessageName = keyof typeof MESSAGES;

/** Nested deeper than any real graph; each subgraph takes three levels. */
const DEPTH_MAX = 300;

function walk(
  bytes: Uint8Array,
  message: MessageName,
  file: OnnxFile,
  found: { graph: boolean },
  depth = 0,
): void {
  if (depth > DEPTH_MAX) throw new Error('nested too deeply');
  const texts: Record<number, string> = {};
  let number = 0;
  for (const field of fields(bytes)) {
    if (field.bytes === undefined) {
      if (field.number === 2) number = field.value;
      continue;
    }
    const inner = (MESSAGES[message] as Record<number, MessageName>)[field.number];
    if (inner !== undefined) {
      if (message === 'model' && inner === 'graph') found.graph = true;
      walk(field.bytes, inner, file, found, depth + 1);
    } else if (message === 'external' || message === 'opset') {
      texts[field.number] = new TextDecoder().decode(field.bytes);
    }
  }
  if (message === 'external' && texts[1] === 'location') file.externalData.push(texts[2] ?? '');
  if (message === 'opset') {
    const domain = texts[1] || 'ai.onnx';
    file.opsets[domain] = Math.max(file.opsets[domain] ?? 0, number);
  }
}

interface Field {
  number: number;
  value: number;
  /** Of a field with a length. */
  bytes?: Uint8Array;
}

function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new CutOffError('it ends within a field');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a number without end');
  };
  const skip = (length: number): number => {
    const start = at;
    at += length;
    if (at > bytes.length) {
      throw new CutOffError(`a field of ${length} bytes has only ${bytes.length - start} left`);
    }
    return start;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number === 0) throw new Error('field 0');
    switch (tag % 8) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        skip(8);
        break;
      case 2: {
        const length = varint();
        const start = skip(length);
        yield { number, value: 0, bytes: bytes.subarray(start, at) };
        break;
      }
      case 5:
        skip(4);
        break;
      default:
        throw new Error(`wire type ${tag % 8}`);
    }
  }
}
