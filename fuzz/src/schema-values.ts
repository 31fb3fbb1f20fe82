/** Makes values that a JSON Schema allows, the ones at its bounds more often than by chance. */
import type { ApiDocument, Json, Schema } from './document.js';
import type { Random } from './random.js';

const TEXTS = [
  '',
  'a',
  'é 😀',
  '"quoted", and so on',
  'two\nlines',
  '0',
  'null',
  '__proto__',
  ' ',
  'a'.repeat(300),
];
/** What the document says of texts by pattern; others are tried. */
const TRIED = ['1', '0', '10', '9999', '-7', '123456789', 'a', 'a1', 'iris', ''];
const LIST_MAX = 4;

/** Digits in a text have bounds that no schema can say: where numbers do as well, they are taken. */
function withBounds(choices: Schema[]): Schema[] {
  const bounded = choices.filter(({ pattern }) => pattern === undefined);
  return bounded.length === 0 ? choices : bounded;
}

export class SchemaValues {
  constructor(
    private readonly document: ApiDocument,
    private readonly random: Random,
  ) {}

  of(schema: Schema): Json {
    const { random } = this;
    const found = this.document.resolve(schema);
    const choices = found.anyOf ?? found.oneOf;
    if (choices !== undefined) return this.of(random.pick(withBounds(choices)));
    if (found.allOf !== undefined)
      return Object.assign({}, ...found.allOf.map((each: Schema) => this.of(each)));
    if (found.const !== undefined) return found.const;
    if (found.enum !== undefined) return random.pick(found.enum);
    switch ([found.type].flat()[0]) {
      case 'null':
        return null;
      case 'boolean':
        return random.chance(0.5);
      case 'integer':
        return Math.trunc(this.number(found));
      case 'number':
        return this.number(found);
      case 'string':
        return this.text(found);
      case 'array':
        return this.list(found);
      case 'object':
        return this.object(found);
      default:
        return random.pick<Json>([null, 0, 'a', [], {}]);
    }
  }

  private number({ minimum, maximum }: Schema): number {
    const { random } = this;
    const low = Math.max(minimum ?? -1e6, -1e15);
    const high = Math.min(maximum ?? 1e6, 1e15);
    const within = low + (high - low) * random.fraction();
    const near = Math.min(Math.max(random.below(20), low), high);
    return random.pick([low, high, within, near, near, near]);
  }

  private text({ pattern, minLength = 0, maxLength = 400, format }: Schema): string {
    const { random } = this;
    if (format === 'uuid') return random.uuid();
    const isAllowed = (text: string) => pattern === undefined || new RegExp(pattern, 'u').test(text);
    const texts = (pattern === undefined ? TEXTS : [...TEXTS, ...TRIED]).filter(isAllowed);
    return random
      .pick(texts.length === 0 ? TRIED : texts)
      .slice(0, maxLength)
      .padEnd(minLength, 'a');
  }

  private list({ prefixItems, items, minItems = 0, maxItems = Number.POSITIVE_INFINITY }: Schema): Json[] {
    if (prefixItems !== undefined) return prefixItems.map((each: Schema) => this.of(each));
    const most = Math.min(maxItems, Math.max(minItems, LIST_MAX));
    const length = minItems + this.random.below(most - minItems + 1);
    return Array.from({ length }, () => this.of(items ?? {}));
  }

  private object({ properties = {}, required = [] }: Schema): Json {
    const chosen = Object.entries<Schema>(properties).filter(
      ([name]) => required.includes(name) || this.random.chance(0.4),
    );
    return Object.fromEntries(chosen.map(([name, schema]) => [name, this.of(schema)]));
  }
}
