/**
 * Schedules that files define: `<folder>/<name>.json`. Every scheduler process follows its folder; where two have different
 * files of one name, the one that was written later counts. A schedule goes when no process has had its file for a while.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Logger } from '@millrace/process/logger';
import type { ScheduleStore } from '@millrace/queue/schedules/schedule-store';
import { parseSchedule, type Schedule } from '@millrace/schedule/schedule';

/** Longer than a process takes to start, or to be replaced by one with other files. */
const UNSEEN_MS = 60_000;
const FILE_BYTES_MAX = 64 * 1024;

export interface ScheduleFilesDeps {
  folder: string;
  schedules: ScheduleStore;
  log: Logger;
  /** Milliseconds since the epoch. */
  now(): number;
}

export class ScheduleFiles {
  /** What was said last of each file, so that it is said once. */
  private readonly said = new Map<string, string>();
  /** When the last sync began, and since when they have come one after the other. */
  private syncedAt = Number.NEGATIVE_INFINITY;
  private regularSince = 0;

  constructor(private readonly deps: ScheduleFilesDeps) {}

  /** Brings the store to what the files say. */
  async sync(): Promise<void> {
    const startedAt = this.deps.now();
    // After an outage, or a stop, nobody has seen anything for a while: first everybody looks again.
    if (startedAt - this.syncedAt > UNSEEN_MS / 2) this.regularSince = startedAt;
    const names = (await this.names()).filter((name) => name.endsWith('.json') && name !== SCHEMA);
    for (const name of names) await this.take(name);
    for (const name of this.said.keys()) if (!names.includes(name)) this.said.delete(name);
    if (startedAt - this.regularSince > UNSEEN_MS) await this.giveUpUnseen(startedAt - UNSEEN_MS);
    this.syncedAt = startedAt;
  }

  private async names(): Promise<string[]> {
    try {
      return (await readdir(this.deps.folder)).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  private async take(file: string): Promise<void> {
    const { folder, schedules } = this.deps;
    let definition: Schedule;
    let fileAt: number;
    try {
      const path = join(folder, file);
      const { mtimeMs, size } = await stat(path);
      if (size > FILE_BYTES_MAX) throw new Error(`is larger than ${FILE_BYTES_MAX} bytes`);
      fileAt = Math.floor(mtimeMs);
      definition = parseSchedule(JSON.parse(await readFile(path, 'utf8')));
      if (`${definition.name}.json` !== file)
        throw new Error(`name: must be that of the file, not "${definition.name}"`);
    } catch (error) {
      // What it said before stays in force.
      await schedules.noteSeen(basename(file, '.json'));
      return this.say(file, 'error', `a schedule's file does not hold: ${(error as Error).message}`);
    }
    const { client } = definition;
    const reply = await schedules.put({ definition, client, fileAt }, 'replace');
    switch (reply) {
      case 'created':
      case 'replaced':
        return this.say(file, 'info', 'a schedule was taken from its file', reply);
      case 'older':
        return this.say(file, 'warn', 'a schedule’s file is older than the one that is in force');
      default:
        this.said.delete(file);
    }
  }

  private async giveUpUnseen(before: number): Promise<void> {
    const { schedules, log } = this.deps;
    for (const name of await schedules.names()) {
      const reply = await schedules.giveUpUnseen(name, before);
      if (reply === 'removed') log.warn('a schedule was removed: its file has gone', { schedule: name });
    }
  }

  private say(file: string, level: 'info' | 'warn' | 'error', message: string, how?: string): void {
    if (this.said.get(file) === message && level !== 'info') return;
    this.said.set(file, message);
    this.deps.log.log(level, message, { file, ...(how === undefined ? {} : { how }) });
  }
}

/** The JSON Schema of such files, for editors. */
const SCHEMA = 'schedule.schema.json';
