/** Names of what schedules reach: connections, buckets, keys. */
import { template, text } from './field.js';

export const ConnectionName = text(
  'the name of a connection: letters, digits, - and _, at most 63',
  /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
).describe('A connection of the scheduler, which has the address and the secrets.');

export const Bucket = text(
  'the name of a bucket: letters, digits, dots, - and _, 3 to 255',
  /^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/,
);

export const ObjectKey = template('a key such as users/{logical_date}.parquet');
