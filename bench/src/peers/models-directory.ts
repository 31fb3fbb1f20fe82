/** The model directory of a platform that is measured: only what it is measured with. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** @param folders version folders by the name under which they are served @returns its path */
export function makeModelsDirectory(directory: string, folders: Readonly<Record<string, string>>): string {
  const models = join(directory, 'models');
  for (const [name, folder] of Object.entries(folders)) {
    mkdirSync(join(models, name), { recursive: true });
    cpSync(folder, join(models, name, '1'), { recursive: true });
  }
  return models;
}
