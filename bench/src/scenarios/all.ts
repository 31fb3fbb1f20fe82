/** The scenarios by name. */
import { bulk } from './bulk.js';
import { cliff } from './cliff.js';
import { huge } from './huge.js';
import { idle, small } from './jobs.js';
import type { ScenarioName } from './names.js';
import { heavy, text } from './one-model.js';
import { scaling } from './scaling.js';
import type { Scenario } from './scenario.js';

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  bulk,
  heavy,
  text,
  small,
  idle,
  scaling,
  cliff,
  huge,
};
