/** A floor thread is responsible for its share of the rows: it does one step of it at a time, when it is told to. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { BareSession } from './bare-session.js';
import { formatLines } from './format.js';
import type { FloorReply, FloorRequest, Share, Step } from './messages.js';
import { parseLines } from './parse.js';

/** Of the share, to try a micro-batch with: two runs of the largest. */
const TRIED_ROWS = 8_192;

const port = parentPort as MessagePort;
let opened: Opened | undefined;

interface Opened {
  share: Share;
  session: BareSession;
  classes: string[];
  labels: Int32Array;
}

port.on('message', async (request: FloorRequest) => {
  let reply: FloorReply;
  try {
    reply = { ok: true, ...(await answer(request)) };
  } catch (error) {
    reply = { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(reply);
});

async function answer(request: FloorRequest): Promise<{ labels?: Int32Array }> {
  if (request.kind === 'open') {
    opened = await open(request.share);
    return {};
  }
  if (opened === undefined) throw new Error('the thread has no share');
  if (request.kind === 'labels') return { labels: opened.labels };
  const { session, share, labels } = opened;
  if (request.kind === 'try') {
    await session.run(share.values, request.microBatch, labels, TRIED_ROWS);
    return {};
  }
  for (let time = 0; time < request.times; time++) await run(opened, request.step, request.microBatch);
  return {};
}

async function open(share: Share): Promise<Opened> {
  const parsed = parse(share);
  const differs = share.values.findIndex((value: number | string, at: number) => value !== parsed[at]);
  if (differs !== -1) throw new Error(`value ${differs} of the lines is not that of the tensor`);
  return {
    share,
    session: await BareSession.open(share.model),
    classes: share.classes.map((each) => JSON.stringify(each)),
    labels: new Int32Array(share.values.length / share.features.length),
  };
}

async function run(
  { share, session, classes, labels }: Opened,
  step: Step,
  microBatch: number,
): Promise<void> {
  switch (step) {
    case 'parse':
      parse(share);
      return;
    case 'infer':
      return session.run(share.values, microBatch, labels);
    case 'format':
      formatLines(labels, classes, share.firstRow);
      return;
  }
}

function parse({ lines, features, values }: Share): Float32Array | string[] {
  const into =
    values instanceof Float32Array ? new Float32Array(values.length) : new Array<string>(values.length);
  parseLines(lines, features, into);
  return into;
}
