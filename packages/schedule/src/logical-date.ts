/** How logical dates are written: by what the cron of a schedule names. */

const FORMS = {
  /** One time of day, on many days. */
  day: { length: 10, zone: '', words: 'a local date such as 2026-11-20' },
  /** Several times of day. */
  minute: { length: 16, zone: '', words: 'a local time such as 2026-11-20T14:30' },
  second: { length: 19, zone: '', words: 'a local time with seconds such as 2026-11-20T14:30:10' },
  /** Instants; and what a run made by hand has. */
  instant: { length: 19, zone: 'Z', words: 'a time in UTC such as 2026-11-20T13:30:00Z' },
} as const;

export type DateForm = keyof typeof FORMS;

/** Such a date in words, with an example. */
export function formWords(form: DateForm): string {
  return FORMS[form].words;
}

/** @param time a wall time, or the instant for the form `instant`; milliseconds */
export function writeDate(form: DateForm, time: number): string {
  const { length, zone } = FORMS[form];
  return new Date(time).toISOString().slice(0, length) + zone;
}

/** The time that `writeDate` was given, without what it left out; undefined where the text is no such date of 1970 or later. */
export function readDate(form: DateForm, text: string): number | undefined {
  const { length, zone } = FORMS[form];
  const time = Date.parse(`${text.slice(0, length)}${'0000-00-00T00:00:00'.slice(length)}Z`);
  const isSame = time >= 0 && text.endsWith(zone) && writeDate(form, time) === text;
  return isSame ? time : undefined;
}

/** Whether a text is a logical date of some schedule. None holds a separator of paths or two dots. */
export function isLogicalDate(text: string): boolean {
  return (Object.keys(FORMS) as DateForm[]).some((form) => readDate(form, text) !== undefined);
}

/** The logical date of a run that is made by hand at this moment. */
export function momentDate(now: number): string {
  return writeDate('instant', now);
}
