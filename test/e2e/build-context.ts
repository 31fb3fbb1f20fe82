/** The files that a build may copy: those of a folder that its .dockerignore lets through. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Rule {
  pattern: string;
  excludes: boolean;
  matches: RegExp;
}

/** @returns paths relative to the folder, sorted */
export function buildContext(folder: string): string[] {
  const rules = readRules(join(folder, '.dockerignore'));
  return filesUnder(folder, '', rules).sort();
}

function readRules(path: string): Rule[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const patterns = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  return patterns.map((line) => {
    const pattern = line.replace(/^!/, '');
    return { pattern, excludes: !line.startsWith('!'), matches: toRegExp(pattern) };
  });
}

/** A pattern matches a path and everything beneath it; `*` stays within one name. @throws Error for other wildcards */
function toRegExp(pattern: string): RegExp {
  if (/\*\*|[?[\]\\]|^\/|\/$/.test(pattern))
    throw new Error(`.dockerignore: the test does not know ${pattern}`);
  const escaped = pattern.replace(/[.+^${}()|]/g, '\\$&').replaceAll('*', '[^/]*');
  return new RegExp(`^${escaped}(/.*)?$`);
}

function filesUnder(folder: string, path: string, rules: readonly Rule[]): string[] {
  return readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
    const child = path === '' ? entry.name : `${path}/${entry.name}`;
    const isExcluded = isOut(child, rules);
    if (!entry.isDirectory()) return isExcluded ? [] : [child];
    // A rule further down may let something in again.
    const mayReturn = rules.some((rule) => !rule.excludes && rule.pattern.startsWith(`${child}/`));
    return isExcluded && !mayReturn ? [] : filesUnder(folder, child, rules);
  });
}

/** The last rule that matches decides. */
function isOut(path: string, rules: readonly Rule[]): boolean {
  return rules.findLast((rule) => rule.matches.test(path))?.excludes ?? false;
}
