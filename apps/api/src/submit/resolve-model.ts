/** Says which version of which model a request means. */
import { BatchError } from '@millrace/batch/errors';
import { modelKey } from '@millrace/batch/model';
import type { Catalog, CatalogEntry } from '@millrace/queue/catalog';

/** @throws BatchError `model_required`, `unknown_model` */
export async function resolveModel(catalog: Catalog, ref: string | undefined): Promise<CatalogEntry> {
  if (ref !== undefined) return catalog.resolve(ref);
  const models = (await catalog.list()).map((entry) => modelKey(entry.model));
  throw new BatchError('model_required', 'say which model, for example ?model=name', { models });
}
