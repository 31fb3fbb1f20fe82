/** Which files schedules may reach: those within the operator's folders, wherever symbolic links lead. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

/**
 * @param path of a file or folder that need not exist
 * @returns its real path when that is within one of the folders, undefined when it is not
 * @throws the system's own error when the path cannot be followed
 */
export async function realPathWithin(folders: readonly string[], path: string): Promise<string | undefined> {
  const real = await realPath(path);
  const allowed = await Promise.all(folders.map(realPath));
  return allowed.some((folder) => isWithin(folder, real)) ? real : undefined;
}

/** Of what does not exist yet, the real path that it would have. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    return join(await realPath(parent), basename(path));
  }
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}
