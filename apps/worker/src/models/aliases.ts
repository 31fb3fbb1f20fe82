/** Aliases of a model: names for versions, which can be moved from one to the next. */
import { record } from '@millrace/batch/manifest/strict';
import { MODEL_ALIAS, type ModelAliases } from '@millrace/batch/model';
import { z } from 'zod';
import type { FoundAliases } from './model-directory.js';
import { readRegularFile } from './regular-file.js';
import { parseJson } from './version-files.js';

/** Enough for a thousand of them; every beat of every worker carries them all. */
const ALIASES_BYTES_MAX = 64 * 1024;

const AliasFile = record(
  z.string().regex(MODEL_ALIAS, 'an alias is letters, digits, - and _, beginning with a letter'),
  z.int('must be a version').min(1),
);

/**
 * What the aliases of a model stand for now. An alias that is moved to a version which is not served stays where it was.
 * @param isServed whether this worker serves a version of the model
 */
export async function readAliases(
  found: FoundAliases,
  before: ModelAliases | undefined,
  isServed: (version: number) => boolean,
): Promise<ModelAliases> {
  const aliases: ModelAliases = { written_at: found.writtenAt, targets: {}, problems: [] };
  let wanted: Record<string, number>;
  try {
    wanted = parseJson(
      'aliases.json',
      String(await readRegularFile(found.path, ALIASES_BYTES_MAX)),
      AliasFile,
    );
  } catch (error) {
    return { ...aliases, targets: before?.targets ?? {}, problems: [(error as Error).message] };
  }
  for (const [alias, version] of Object.entries(wanted)) {
    const previous = before?.targets[alias];
    if (isServed(version)) aliases.targets[alias] = version;
    else if (previous !== undefined && isServed(previous)) {
      aliases.targets[alias] = previous;
      aliases.problems.push(
        `${alias} is to be version ${version}, which is not served; it stays ${previous}`,
      );
    } else aliases.problems.push(`${alias} is to be version ${version}, which is not served`);
  }
  return aliases;
}
