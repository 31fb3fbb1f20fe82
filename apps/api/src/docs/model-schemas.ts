/** The models of the catalogue in the document: a schema of their rows and predictions, and an example in each format. */
import { predictionSchema, rowSchema } from '@millrace/batch/manifest/row-schema';
import { type ModelDescriptor, modelKey } from '@millrace/batch/model';
import type { CatalogModel } from '@millrace/queue/catalog';
import { z } from 'zod';

type Examples = Record<string, { summary: string; value: unknown }>;

export interface ModelSchemas {
  /** By component name; they are referenced wherever these very objects are used. */
  components: Record<string, z.ZodType>;
  /** A list of rows for one of the models. */
  batch: z.ZodType;
  /** A prediction of one of the models, whichever outputs were asked for. */
  prediction: z.ZodType;
  /** Ways to name a model: the highest version, aliases, versions. */
  refs: Examples;
  json: Examples;
  ndjson: Examples;
  csv: Examples;
}

export function modelSchemas(models: readonly CatalogModel[]): ModelSchemas {
  const components: Record<string, z.ZodType> = {};
  const batches: z.ZodType[] = [];
  const predictions: z.ZodType[] = [];
  const found: ModelSchemas = {
    components,
    batch: z.unknown(),
    prediction: z.unknown(),
    refs: {},
    json: {},
    ndjson: {},
    csv: {},
  };
  for (const { name, versions, aliases } of models) {
    if (versions.length > 0)
      addRefs(found.refs, [name, ...Object.keys(aliases).map((alias) => `${name}@${alias}`)]);
    // The highest first: it is what the bare name stands for, and what a page shows before anything is chosen.
    for (const { model } of versions.toReversed()) {
      const stem = `${name}.v${model.version}`;
      const row = describeModel(rowSchema(model.manifest), model, 'A row of');
      components[`${stem}.Row`] = row;
      batches.push(z.array(row).min(1));
      for (const [suffix, schema] of predictionsOf(model)) {
        components[`${stem}.Prediction${suffix}`] = schema;
        predictions.push(schema);
      }
      addExamples(found, model);
    }
  }
  found.batch = anyOf(batches) ?? z.array(z.unknown()).min(1);
  found.prediction = anyOf(predictions) ?? z.unknown();
  return found;
}

/** What is shown by default, and the other ways to show the outputs as far as they differ from it. */
function predictionsOf(model: ModelDescriptor): [suffix: string, schema: z.ZodType][] {
  const { manifest } = model;
  const shown = (outputs: 'default' | 'primary' | 'all') =>
    describeModel(predictionSchema(manifest, outputs), model, `A prediction of (outputs=${outputs})`);
  return [
    ['', shown('default')],
    ...(manifest.default_outputs === undefined
      ? []
      : [['.primary', shown('primary')] as [string, z.ZodType]]),
    ['.all', shown('all')],
  ];
}

function describeModel(schema: z.ZodType, model: ModelDescriptor, what: string): z.ZodType {
  const about = model.manifest.description === undefined ? '' : `: ${model.manifest.description}`;
  const own = schema.description === undefined ? '' : ` ${schema.description}`;
  return schema.meta({ description: `${what.replace(' of', ` of ${modelKey(model)}`)}${about}${own}` });
}

function addExamples({ refs, json, ndjson, csv }: ModelSchemas, model: ModelDescriptor): void {
  const summary = modelKey(model);
  addRefs(refs, [summary]);
  json[summary] = { summary, value: [model.example] };
  ndjson[summary] = { summary, value: `${JSON.stringify(model.example)}\n` };
  csv[summary] = { summary, value: csvOf(model) };
}

function addRefs(examples: Examples, refs: readonly string[]): void {
  for (const ref of refs) examples[ref] = { summary: ref, value: ref };
}

/** The example as a header line and a record; nested values are spelled in JSON. */
function csvOf({ manifest: { features }, example }: ModelDescriptor): string {
  const names = features.map(({ name }) => name);
  const isObject = typeof example === 'object' && example !== null && !Array.isArray(example);
  const list = Array.isArray(example) && example.length === features.length ? example : [example];
  const fields = isObject
    ? Object.entries(example)
    : names.map((name, at): [string, unknown] => [name, list[at]]);
  const line = (values: unknown[]) => `${values.map(csvField).join(',')}\r\n`;
  return line(fields.map(([name]) => name)) + line(fields.map(([, value]) => value));
}

function csvField(value: unknown): string {
  const text = typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Not `oneOf`: a row may well be one of two models. */
function anyOf(schemas: z.ZodType[]): z.ZodType | undefined {
  const [first, ...others] = schemas;
  return first === undefined || others.length === 0 ? first : z.union([first, ...others]);
}

/** Without any, the member itself is left out. */
export function withExamples<T extends object>(examples: T): { examples?: T } {
  return Object.keys(examples).length === 0 ? {} : { examples };
}
