/** `npm run bench:documents`: renews the figures of the documents from the reference run. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchReport } from '../report.js';
import { ROOT } from '../root.js';
import { withBlocks } from './blocks.js';
import { DOCUMENTS, documentBlocks, REFERENCE } from './document-blocks.js';

const report = JSON.parse(readFileSync(join(ROOT, REFERENCE), 'utf8')) as BenchReport;
const blocks = documentBlocks(report);
for (const name of DOCUMENTS) {
  const path = join(ROOT, name);
  writeFileSync(path, withBlocks(readFileSync(path, 'utf8'), blocks));
}
