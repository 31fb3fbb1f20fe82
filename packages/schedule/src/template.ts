/** Places, addresses and parameters that differ from run to run: `data/users-{logical_date}.csv`. */
import { didYouMean } from '@millrace/batch/did-you-mean';
import { isLogicalDate } from './logical-date.js';
import { ScheduleError } from './schedule-error.js';

const PLACEHOLDERS = ['logical_date', 'schedule'] as const;
const BRACES = /\{([^{}]*)\}/g;

export interface TemplateValues {
  logicalDate: string;
  /** The name of the schedule. */
  schedule: string;
}

/** What is wrong with a template; undefined for a right one. */
export function templateProblem(template: string): string | undefined {
  for (const [placeholder, name = ''] of template.matchAll(BRACES)) {
    if (isPlaceholder(name)) continue;
    return `${placeholder} is not known; must be {logical_date} or {schedule}${didYouMean(name, PLACEHOLDERS)}`;
  }
  const [brace] = /[{}]/.exec(template.replaceAll(BRACES, '')) ?? [];
  return brace === undefined ? undefined : `has a "${brace}" without its other brace`;
}

/** Whether there is a placeholder in a text that may have braces of its own. */
export function hasPlaceholder(text: string): boolean {
  return [...text.matchAll(BRACES)].some(([, name = '']) => isPlaceholder(name));
}

/**
 * A right template with its values in place. None of them brings a separator of paths or two dots with it: throws a
 * ScheduleError `invalid_logical_date` for a date that is none.
 */
export function renderTemplate(template: string, { logicalDate, schedule }: TemplateValues): string {
  if (!isLogicalDate(logicalDate)) {
    throw new ScheduleError('invalid_logical_date', `${JSON.stringify(logicalDate)} is no logical date`);
  }
  return template.replaceAll('{logical_date}', logicalDate).replaceAll('{schedule}', schedule);
}

function isPlaceholder(name: string): boolean {
  return (PLACEHOLDERS as readonly string[]).includes(name);
}
