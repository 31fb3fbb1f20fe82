/** The OpenAPI document of the running API, as far as requests are made from it and answers held against it. */

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape is walked through
export type Json = any;

/** JSON Schema as the document has it. */
export type Schema = { [keyword: string]: Json };

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  schema: Schema;
  /** Values that work. */
  examples: Json[];
}

export interface Operation {
  method: string;
  /** With its parameters in braces. */
  path: string;
  parameters: Parameter[];
  /** By media type; empty when it takes no body. */
  bodies: { type: string; schema: Schema; examples: Record<string, Json> }[];
  responses: Record<string, Response>;
}

export interface Response {
  content?: Record<string, { schema: Schema }>;
  headers?: Record<string, { required?: boolean }>;
}

export class ApiDocument {
  readonly operations: Operation[];

  constructor(readonly root: Json) {
    this.operations = Object.entries<Json>(root.paths).flatMap(([path, item]) =>
      Object.entries<Json>(item).map(([method, operation]) => operationOf(method, path, operation)),
    );
  }

  /** What is named there, or the schema itself. */
  resolve(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    const steps = String(schema.$ref).split('/').slice(1);
    const names = steps.map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'));
    return this.resolve(names.reduce((value, name) => value[name], this.root));
  }

  /** The schema of a row of `name@version`; undefined when the document has none. */
  rowSchema(model: string): Schema | undefined {
    return this.root.components.schemas[`${model.replace('@', '.v')}.Row`];
  }

  /** The operation of a path as it is requested; undefined when there is none. */
  find(method: string, path: string): Operation | undefined {
    return this.operations.find((each) => each.method === method && patternOf(each.path).test(path));
  }

  hasPath(path: string): boolean {
    return this.operations.some((each) => patternOf(each.path).test(path));
  }
}

function operationOf(method: string, path: string, operation: Json): Operation {
  const parameters = (operation.parameters ?? []).map((parameter: Json) => ({
    name: parameter.name,
    in: parameter.in,
    schema: parameter.schema,
    examples: [
      ...(parameter.example === undefined ? [] : [parameter.example]),
      ...Object.values<Json>(parameter.examples ?? {}).map(({ value }) => value),
    ],
  }));
  const bodies = Object.entries<Json>(operation.requestBody?.content ?? {}).map(
    ([type, { schema, examples }]) => ({
      type,
      schema,
      examples: Object.fromEntries(
        Object.entries<Json>(examples ?? {}).map(([name, { value }]) => [name, value]),
      ),
    }),
  );
  return { method: method.toUpperCase(), path, parameters, bodies, responses: operation.responses };
}

/** Routes take a slash at the end, and any case. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`, 'i');
}
