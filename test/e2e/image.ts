/** Carries out a Dockerfile without a container engine: every stage in a folder of its own that stands for its root. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, rename } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { type Instruction, parseDockerfile, type Stage } from './dockerfile.js';

export interface Image {
  /** The folder that stands for `/`. */
  root: string;
  /** Within the image. */
  workdir: string;
  env: Record<string, string>;
  user: string | undefined;
  port: number | undefined;
  healthcheck: string[];
  command: string[];
}

export interface BuildContext {
  folder: string;
  /** What may be copied from it, relative to it. */
  files: readonly string[];
}

/**
 * Builds the last stage and those it is built from.
 * @param workspace an empty folder, which gets one folder per stage
 * @throws Error with the output of the command that failed
 */
export async function buildImage(
  dockerfile: string,
  context: BuildContext,
  workspace: string,
): Promise<Image> {
  const built = new Map<string, Image>();
  const lastUses = lastUsesOf(parseDockerfile(dockerfile));
  let image: Image | undefined;
  for (const { name, base, instructions } of parseDockerfile(dockerfile)) {
    image = await startStage(join(workspace, name), built.get(base));
    for (const instruction of instructions) await perform(instruction, image, context, { built, lastUses });
    built.set(name, image);
  }
  if (image === undefined) throw new Error('the Dockerfile has no stage');
  return image;
}

/** Of each stage that is copied from: the last instruction that does, when no later stage goes on from it. */
function lastUsesOf(stages: readonly Stage[]): ReadonlySet<Instruction> {
  const lastUses = new Map<string, Instruction>();
  for (const { base, instructions } of stages) {
    lastUses.delete(base);
    for (const each of instructions)
      if (each.kind === 'copy' && each.from !== undefined) lastUses.set(each.from, each);
  }
  return new Set(lastUses.values());
}

/** The stages that there are so far, and the instructions after which one is not used any more. */
interface Stages {
  built: ReadonlyMap<string, Image>;
  lastUses: ReadonlySet<Instruction>;
}

/** @param parent the stage it goes on from; undefined for a base image, whose own files are those of this machine */
async function startStage(root: string, parent: Image | undefined): Promise<Image> {
  await mkdir(root, { recursive: true });
  if (parent === undefined) {
    return {
      root,
      workdir: '/',
      env: {},
      user: undefined,
      port: undefined,
      healthcheck: [],
      command: [],
    };
  }
  await copyFolder(parent.root, root);
  return { ...parent, root, env: { ...parent.env } };
}

async function perform(
  instruction: Instruction,
  image: Image,
  context: BuildContext,
  stages: Stages,
): Promise<void> {
  switch (instruction.kind) {
    case 'workdir':
      image.workdir = resolve(image.workdir, instruction.path);
      await mkdir(inImage(image, '.'), { recursive: true });
      return;
    case 'copy':
      return copy(instruction, image, context, stages);
    case 'run':
      return run(instruction.command, image);
    case 'env':
      Object.assign(image.env, instruction.values);
      return;
    case 'user':
      image.user = instruction.user;
      return;
    case 'expose':
      image.port = instruction.port;
      return;
    case 'healthcheck':
      image.healthcheck = instruction.command;
      return;
    case 'cmd':
      image.command = instruction.command;
      return;
  }
}

/** Where a path of the image is on this machine. */
export function inImage(image: Image, path: string): string {
  return join(image.root, resolve(image.workdir, path));
}

async function copy(
  instruction: Extract<Instruction, { kind: 'copy' }>,
  image: Image,
  context: BuildContext,
  { built, lastUses }: Stages,
): Promise<void> {
  const { from, sources, target } = instruction;
  const stage = from === undefined ? undefined : built.get(from);
  if (from !== undefined && stage === undefined) throw new Error(`COPY: there is no stage ${from} above`);
  for (const source of sources) {
    const to = inImage(image, target);
    if (stage === undefined) await copyFromContext(context, source, to, target.endsWith('/'));
    // Only folders are copied between stages; a folder's contents are what is copied.
    else if (sources.length === 1 && lastUses.has(instruction)) await moveFolder(inImage(stage, source), to);
    else await copyFolder(inImage(stage, source), to);
  }
}

function copyFolder(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, verbatimSymlinks: true });
}

/** For what nobody asks for again where it was: the folder of an image has tens of thousands of files. */
async function moveFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  // A folder takes the place of an empty one only.
  if ((await readdir(to)).length > 0) await copyFolder(from, to);
  else await rename(from, to);
}

async function copyFromContext(
  { folder, files }: BuildContext,
  source: string,
  to: string,
  isIntoFolder: boolean,
): Promise<void> {
  const within = files.filter((file) => file.startsWith(`${source}/`));
  if (files.includes(source))
    await copyFile(join(folder, source), isIntoFolder ? join(to, basename(source)) : to);
  else if (within.length === 0) throw new Error(`COPY: ${source} is not in the build context`);
  for (const file of within) await copyFile(join(folder, file), join(to, file.slice(source.length)));
}

async function copyFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to);
}

async function run(command: string, image: Image): Promise<void> {
  const child = spawn('sh', ['-c', command], {
    cwd: inImage(image, '.'),
    env: { ...npmEnv(), ...image.env, PATH: cleanPath() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`RUN ${command}\nended with ${code}:\n${output}`);
}

/** This node first, and none of the programs that packages of the checkout bring. */
export function cleanPath(): string {
  const folders = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'));
  return [dirname(process.execPath), ...folders].join(delimiter);
}

/** What npm needs to reach its registry and its cache from here; a builder has the like from its machine. */
function npmEnv(): NodeJS.ProcessEnv {
  const wanted =
    /^(home|npm_config_(cache|registry|cafile|(user|global)config)|\w+_proxy|\w+_ca_certs|ssl_cert_\w+)$/i;
  const found = Object.entries(process.env).filter(([name]) => wanted.test(name));
  return { ...Object.fromEntries(found), npm_config_prefer_offline: 'true' };
}
