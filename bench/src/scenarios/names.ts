/** What is measured, in the order in which it is. */
export const SCENARIO_NAMES = ['bulk', 'heavy', 'text', 'small', 'idle', 'scaling', 'cliff', 'huge'] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];
