/** What a graph says of itself: the names, types and shapes of its inputs and outputs. */
import type { ElementType } from './element-types.js';

/** A dimension, null where it is open. */
export type Dimension = number | null;

export interface GraphTensor {
  name: string;
  type: ElementType;
  /** With the batch dimension, which is the first. */
  shape: readonly Dimension[];
}

/** An input or output that rows cannot be read from or written to: a sequence, a map, an element type of its own. */
export interface GraphOther {
  name: string;
  type: undefined;
  /** What it is, in words. */
  what: string;
}

export type GraphValue = GraphTensor | GraphOther;

export interface Graph {
  inputs: readonly GraphValue[];
  outputs: readonly GraphValue[];
}

export function isTensor(value: GraphValue): value is GraphTensor {
  return value.type !== undefined;
}
