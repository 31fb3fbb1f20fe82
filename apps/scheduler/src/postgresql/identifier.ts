/** Names in SQL: each stands for itself, capitals and spaces among them. */

/** @property schema absent when the search path decides */
export interface TableName {
  schema?: string;
  table: string;
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `table` or `schema.table`. */
export function tableName(spelled: string): TableName {
  const dot = spelled.indexOf('.');
  return dot === -1 ? { table: spelled } : { schema: spelled.slice(0, dot), table: spelled.slice(dot + 1) };
}

export function quoteTable({ schema, table }: TableName): string {
  return schema === undefined ? quote(table) : `${quote(schema)}.${quote(table)}`;
}
