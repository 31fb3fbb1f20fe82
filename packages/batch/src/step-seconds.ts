/** Where the time of chunks goes, from being queued to being stored, without gaps. */

/** `wait` for a worker, its fetching of the rows and a free thread; `decode` the rows into tensors; `infer`; `encode` the result. */
export const COMPUTED_STEPS = ['wait', 'decode', 'infer', 'encode'] as const;
/** And to `commit` the result, with its way to Redis. */
export const STEPS = [...COMPUTED_STEPS, 'commit'] as const;
export type Step = (typeof STEPS)[number];

export type StepSeconds = Record<Step, number>;

export function addSeconds(one: StepSeconds, other: StepSeconds): StepSeconds {
  return Object.fromEntries(STEPS.map((step) => [step, one[step] + other[step]])) as StepSeconds;
}
