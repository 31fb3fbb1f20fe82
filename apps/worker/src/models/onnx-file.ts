/**
 * Looks into an ONNX file before ONNX Runtime does: whether it is one at all, is whole, and which other files it reads.
 * The format is protocol buffers (https://protobuf.dev/programming-guides/encoding); the field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */

/** What is found on the way through a file. */
interface Found {
  graph: boolean;
  /** Paths of external tensor data, as the file gives them. */
  externalData: string[];
}

/**
 * @returns the paths of external tensor data, as the file gives them
 * @throws Error that says what the file is instead
 */
export function inspectOnnx(bytes: Uint8Array): string[] {
  if (bytes.length === 0) throw new Error('is empty');
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64));
  if (start.startsWith('version https://git-lfs')) {
    throw new Error('is a Git LFS pointer and not the model; fetch it with "git lfs pull"');
  }
  const found: Found = { graph: false, externalData: [] };
  try {
    walk(bytes, 'model', found);
  } catch (error) {
    const isCutOff = error instanceof CutOffError && (found.graph || LOOKS_LIKE_ONNX.test(start));
    if (isCutOff) throw new Error(`is cut off: ${(error as Error).message}; copy it again`);
    throw new Error('is not an ONNX file');
  }
  if (!found.graph) throw new Error('is not an ONNX file: it holds no graph');
  return found.externalData;
}

/** An ir_version (field 1, one byte), then the producer's name or an opset, a graph, ... */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the tags of a binary format
const LOOKS_LIKE_ONNX = /^\x08[\x01-\x20](?:[\x12\x1a\x22\x2a\x32\x3a\x42]|$)/;

class CutOffError extends Error {}

/** Messages on the way to tensors: field number → what it holds. */
const MESSAGES = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'external' },
  external: {},
} as const satisfies Record<string, Record<number, string>>;

type MessageName = keyof typeof MESSAGES;

/** Nested deeper than any real graph; each subgraph takes three levels. */
const DEPTH_MAX = 300;

function walk(bytes: Uint8Array, message: MessageName, found: Found, depth = 0): void {
  if (depth > DEPTH_MAX) throw new Error('nested too deeply');
  const texts: Record<number, string> = {};
  for (const { number, content } of fields(bytes)) {
    const inner = (MESSAGES[message] as Record<number, MessageName>)[number];
    if (inner !== undefined) {
      if (message === 'model' && inner === 'graph') found.graph = true;
      walk(content, inner, found, depth + 1);
    } else if (message === 'external') {
      texts[number] = new TextDecoder().decode(content);
    }
  }
  if (texts[1] === 'location') found.externalData.push(texts[2] ?? '');
}

interface Field {
  number: number;
  content: Uint8Array;
}

/** Those that have a length; the others are only passed over. */
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
        varint();
        break;
      case 1:
        skip(8);
        break;
      case 2: {
        const length = varint();
        const start = skip(length);
        yield { number, content: bytes.subarray(start, at) };
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
