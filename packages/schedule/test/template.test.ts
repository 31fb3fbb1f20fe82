import { ScheduleError } from '@millrace/schedule/schedule-error';
import { hasPlaceholder, renderTemplate, templateProblem } from '@millrace/schedule/template';
import { describe, expect, it } from 'vitest';

const values = { logicalDate: '2026-11-20', schedule: 'nightly' };

describe('a template', () => {
  it.each([
    ['data/users.csv', 'data/users.csv'],
    ['{schedule}/{logical_date}/{logical_date}.csv', 'nightly/2026-11-20/2026-11-20.csv'],
    ['$&{logical_date}$1', '$&2026-11-20$1'],
  ])('%s becomes %s', (template, rendered) => {
    expect(templateProblem(template)).toBeUndefined();
    expect(renderTemplate(template, values)).toBe(rendered);
  });

  it.each([
    ['{date}', '{date} is not known; must be {logical_date} or {schedule}'],
    [
      '{logicaldate}',
      '{logicaldate} is not known; must be {logical_date} or {schedule}; did you mean "logical_date"?',
    ],
    ['{}', '{} is not known; must be {logical_date} or {schedule}'],
    [
      '{ logical_date }',
      '{ logical_date } is not known; must be {logical_date} or {schedule}; did you mean "logical_date"?',
    ],
    ['{logical_date', 'has a "{" without its other brace'],
    ['logical_date}', 'has a "}" without its other brace'],
    ['{{logical_date}}', 'has a "{" without its other brace'],
  ])('%s is refused', (template, problem) => {
    expect(templateProblem(template)).toBe(problem);
  });

  it.each(['..', '../../etc', '2026-11-20/..', '', '2026-11-20\n'])(
    'takes no date such as %j',
    (logicalDate) => {
      expect(() => renderTemplate('{logical_date}', { ...values, logicalDate })).toThrow(
        new ScheduleError('invalid_logical_date', `${JSON.stringify(logicalDate)} is no logical date`),
      );
    },
  );
});

it('placeholders are told from other braces', () => {
  expect(hasPlaceholder("select '{1,2}'::int[] where day = '{logical_date}'")).toBe(true);
  expect(hasPlaceholder("select '{1,2}'::int[] where day = $1")).toBe(false);
});
