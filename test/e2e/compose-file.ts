/** Reads from docker-compose.yml, as it is laid out here, the text of a service and the environment it sets. */

/** @throws Error when there is no such service */
export function serviceText(compose: string, service: string): string {
  const [, services = ''] = compose.split(/^services:\n/m);
  const [, text] = new RegExp(`^  ${service}:\\n((?:(?: {4}.*)?\\n)+)`, 'm').exec(services) ?? [];
  if (text === undefined) throw new Error(`docker-compose.yml has no service ${service}`);
  return text.replace(/^\s*#.*\n/gm, '');
}

/** Variables that are set to a value; those that compose takes from its own environment are left out. */
export function serviceEnvironment(compose: string, service: string): Record<string, string> {
  const [, block = ''] = /^ {4}environment:\n((?: {6}.*\n)+)/m.exec(serviceText(compose, service)) ?? [];
  const pairs = block.matchAll(/^ {6}([A-Z_]+): "?([^"\n]+?)"?$/gm);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name, value]));
}
