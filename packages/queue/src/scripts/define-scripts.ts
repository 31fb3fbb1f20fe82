/** Makes scripts callable on a connection. */
import type { RedisConnection } from '../connection.js';

export interface ScriptDefinition {
  numberOfKeys: number;
  lua: string;
  answersBytes?: true;
}

export type Script = (...args: (string | number | Buffer)[]) => Promise<unknown>;

/** Every script as a function of its KEYS and ARGV. Answers come as bytes where they hold some. */
export function defineScripts<Name extends string>(
  redis: RedisConnection,
  scripts: Record<Name, ScriptDefinition>,
): Record<Name, Script> {
  const commands = redis as unknown as Record<string, Script>;
  const defined = Object.entries<ScriptDefinition>(scripts).map(
    ([name, { numberOfKeys, lua, answersBytes }]) => {
      const command = `millrace_${name}`;
      redis.defineCommand(command, { numberOfKeys, lua });
      const run = commands[answersBytes ? `${command}Buffer` : command] as Script;
      return [name, run.bind(redis)];
    },
  );
  return Object.fromEntries(defined) as Record<Name, Script>;
}
