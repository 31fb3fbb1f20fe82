/** The connections by name, and the clients that are made of them when they are first used. */
import type { S3Client } from '@aws-sdk/client-s3';
import { didYouMean } from '@millrace/batch/did-you-mean';
import type { Pool } from 'pg';
import { RunError } from '../run-error.js';
import type { ConnectionKind, ConnectionOf, ConnectionsByName } from './connections-file.js';
import { createPool } from './postgresql-pool.js';
import { createS3Client } from './s3-client.js';

/** Is responsible for one client per connection, however many runs use it, until it is closed. */
export class Connections {
  private readonly s3Clients = new Map<string, S3Client>();
  private readonly pools = new Map<string, Pool>();

  constructor(private readonly byName: ConnectionsByName) {}

  /** @throws RunError `unknown_connection` */
  get<Kind extends ConnectionKind>(name: string, kind: Kind): ConnectionOf<Kind> {
    const connection = Object.hasOwn(this.byName, name) ? this.byName[name] : undefined;
    if (connection?.kind === kind) return connection as ConnectionOf<Kind>;
    const reason =
      connection === undefined
        ? `there is no connection "${name}"${didYouMean(name, this.namesOf(kind))}`
        : `the connection "${name}" is of kind ${connection.kind}, and this needs one of kind ${kind}`;
    throw new RunError('unknown_connection', reason, false);
  }

  /** All connections of a kind. */
  ofKind<Kind extends ConnectionKind>(kind: Kind): ConnectionOf<Kind>[] {
    return this.namesOf(kind).map((name) => this.get(name, kind));
  }

  /** @throws RunError `unknown_connection` */
  s3(name: string): S3Client {
    const connection = this.get(name, 's3');
    return getOrMake(this.s3Clients, name, () => createS3Client(connection));
  }

  /** @throws RunError `unknown_connection` */
  postgresql(name: string): Pool {
    const connection = this.get(name, 'postgresql');
    return getOrMake(this.pools, name, () => createPool(connection));
  }

  /** Ends all clients. What still uses one fails; runs are cancelled before. */
  async close(): Promise<void> {
    for (const client of this.s3Clients.values()) client.destroy();
    const pools = [...this.pools.values()];
    this.s3Clients.clear();
    this.pools.clear();
    await Promise.all(pools.map((pool) => pool.end()));
  }

  private namesOf(kind: ConnectionKind): string[] {
    return Object.keys(this.byName).filter((name) => this.byName[name]?.kind === kind);
  }
}

function getOrMake<Value>(map: Map<string, Value>, name: string, make: () => Value): Value {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
}
