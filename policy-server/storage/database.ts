import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AnyEntity, EntityManager, EntityName, EntitySchema } from '@mikro-orm/postgresql';
import { MikroORM } from '@mikro-orm/postgresql';
import { Kysely, PostgresDialect } from 'kysely';
import * as copyStreams from 'pg-copy-streams';
import { assert } from '#domain/assert';
import type { Instant } from '#domain/time';
import type { PgPool, PgPooledClient, PgResult } from '#storage/connection';
import { explained, isConnectionGone, isContention } from '#storage/connection';
import { Hosts, urlsOf } from '#storage/hosts';
import type { Listener } from '#storage/listen';
import { listen } from '#storage/listen';
import type { TypeParsers } from '#storage/values';
import { valueParsers } from '#storage/values';

export { sqlState, violatedConstraint } from '#storage/connection';
export type { Listener } from '#storage/listen';
export { json, timestamp } from '#storage/values';

/**
 * Runs SQL with bound parameters (`$1`, never in the SQL text: MikroORM 7 writes values into the text, so secrets would
 * reach the server's log). `values.ts` says how values are sent and what comes back. A `name` makes it a prepared
 * statement of its connection; one name must always go with one text.
 *
 * Throws `Unavailable` when the database cannot be reached or is in no condition to answer; any other error is as
 * PostgreSQL gave it (`sqlState`, `violatedConstraint`).
 */
export type Queryable = {
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
  /** Like `query`, for a statement whose number of changed rows is all that matters. */
  execute(text: string, values?: readonly unknown[], name?: string): Promise<number>;
};

/**
 * Everything inside is one commit. `em` works on the same connection and is flushed before the commit; it is there when
 * the database was opened with entities.
 */
export type Transaction = Queryable & { readonly em: EntityManager };

/** A transaction with PostgreSQL's bulk ways in and out; one of them at a time, to its end before the next statement. */
export type CopyTransaction = Transaction & {
  /** The octets of `COPY … TO STDOUT` in its text form. */
  copyOut(text: string): Readable;
  /** Feeds `COPY … FROM STDIN`; returns the number of rows. */
  copyIn(text: string, rows: AsyncIterable<Buffer>): Promise<number>;
};

export type Database = Queryable & {
  /**
   * Runs `work` in one transaction. It is run again when another transaction was in the way (40001, 40P01), up to 5
   * times with a growing pause: it must have no effect but on the database. When the connection is lost during COMMIT
   * the outcome is not known: `Unavailable` is thrown and the work may have been committed.
   */
  transaction<Result>(work: (tx: CopyTransaction) => Promise<Result>, options?: TransactionOptions): Promise<Result>;
  /** Calls `onPayload` for every NOTIFY on the channel, over a connection of its own that mends itself. */
  listen(channel: string, onPayload: (payload: string) => void, onListening?: () => void): Promise<Listener>;
  readonly orm: MikroORM;
  readonly url: string;
  close(): Promise<void>;
};

export type TransactionOptions = {
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly?: boolean;
  /** Instead of the 30 s every statement has; 0 = no limit (for a load of everything, a re-sealing, a migration). */
  readonly statementTimeoutMs?: number;
};

export type DatabaseOptions = {
  /** May name several hosts (`hosts.ts`). */
  readonly url: string;
  /** Connections at most; a listener has one more of its own. */
  readonly poolSize: number;
  /** Instead of 30 s for every statement; 0 = no limit, also on waiting for locks and on idle transactions. */
  readonly statementTimeoutMs?: number;
  readonly entities?: readonly (EntityName<AnyEntity> | EntitySchema)[];
};

/** What the database takes for now: of nodes whose clocks differ, the one they have in common. */
export async function databaseTime(q: Queryable): Promise<Instant> {
  const [row] = await q.query<{ at: Instant }>('select clock_timestamp() as at', [], 'database-time');
  return row!.at;
}

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 60_000;
/** What we wait beyond the server's own limit, for a peer that is silent: so that the server's clear error wins. */
const SILENCE_MS = 5_000;
const ATTEMPTS = 6;

/** Opens the pool; connects on first use, so it also succeeds while the database is down. */
export function openDatabase(options: DatabaseOptions): Database {
  let pool: PgPool | undefined;
  const [url] = urlsOf(options.url);
  const orm = new MikroORM({
    clientUrl: url!,
    entities: [...(options.entities ?? [])],
    discovery: { warnWhenNoEntities: false },
    pool: { min: 0, max: options.poolSize, idleTimeoutMillis: 60_000 },
    driverOptions: {
      ...poolOptions(url!, options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS),
      onPoolCreated: (made: PgPool) => {
        pool = made;
      },
    },
    logger: () => undefined,
  });
  orm.em.getConnection().getClient(); // makes the pool; `getNativeClient` would also connect
  assert(pool !== undefined, 'MikroORM makes its pool when its client is first asked for');
  const hosts = new Hosts(options.url, pool.Client, pool.options);
  pool.Client = hosts.clientClass();
  return overPool(orm, new Connections(pool, hosts), options.url);
}

/** The pool, and who of several hosts its connections go to. */
class Connections {
  readonly pool: PgPool;
  readonly hosts: Hosts;

  constructor(pool: PgPool, hosts: Hosts) {
    this.pool = pool;
    this.hosts = hosts;
  }

  /** A connection to the host that takes writes. Throws `Unavailable`. */
  async acquire(): Promise<PgPooledClient> {
    for (let failed = false; ; ) {
      try {
        await this.hosts.settle();
        const client = await this.pool.connect();
        if (!this.hosts.isStale(client)) return client;
        client.release(true);
      } catch (error) {
        if (!this.hosts.doubt() || failed) throw explained(error);
        failed = true;
      }
    }
  }

  /** Gives back a connection on which something failed; `close` also when it is none of its own fault. */
  release(client: PgPooledClient, error: unknown, close = false): void {
    const gone = isConnectionGone(error);
    if (gone) this.hosts.doubt();
    client.release(gone || close);
  }
}

function overPool(orm: MikroORM, connections: Connections, url: string): Database {
  const { pool, hosts } = connections;
  const run = runner(pool);
  const onPool = async (text: string, values?: readonly unknown[], name?: string): Promise<PgResult> => {
    const client = await connections.acquire();
    try {
      const result = await run(client, text, values, name);
      client.release();
      return result;
    } catch (error) {
      connections.release(client, error);
      throw explained(error);
    }
  };
  const database = {
    ...queryable(onPool),
    transaction: (work, transactionOptions = {}) => transaction(orm, connections, run, work, transactionOptions),
    listen: (channel, onPayload, onListening) => listen(pool, hosts, channel, onPayload, onListening),
    close: async () => {
      await orm.close(true);
      // MikroORM ends the pool only once its own query builder was used; where only ours was, nobody has.
      if (!pool.ended) await pool.end();
    },
  } satisfies Omit<Database, 'orm' | 'url'>;
  // Not enumerable: both hold the password, and are not to be printed with whatever holds a database.
  return Object.defineProperties(database as Database, { orm: { value: orm }, url: { value: url } });
}

/** The session's settings are sent once on connect: one round trip, and a `?options=` of the URL cannot undo them. */
function poolOptions(url: string, statementTimeoutMs: number): Record<string, unknown> {
  const unlimited = statementTimeoutMs === 0;
  return {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: silenceFor(statementTimeoutMs),
    keepAlive: true,
    application_name: 'gerbang',
    onConnect: (client: PgPooledClient) =>
      client.query({
        text:
          "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; set bytea_output = 'hex';" +
          `set statement_timeout = ${statementTimeoutMs}; set lock_timeout = ${unlimited ? 0 : LOCK_TIMEOUT_MS};` +
          `set idle_in_transaction_session_timeout = ${unlimited ? 0 : IDLE_TIMEOUT_MS}`,
      }),
  };
}

type Run = (
  client: PgPooledClient,
  text: string,
  values: readonly unknown[] | undefined,
  name: string | undefined,
  silenceMs?: number,
) => Promise<PgResult>;

/** Our value parsers go with each statement: MikroORM's entities keep the driver's on the same connections. */
function runner(pool: PgPool): Run {
  const types = valueParsers(pool.options.types as TypeParsers);
  return (client, text, values, name, silenceMs) =>
    client.query({
      text,
      types,
      ...(values === undefined ? {} : { values: values as unknown[] }),
      ...(name === undefined ? {} : { name }),
      ...(silenceMs === undefined ? {} : { query_timeout: silenceMs }),
    });
}

function queryable(run: (text: string, values?: readonly unknown[], name?: string) => Promise<PgResult>): Queryable {
  return {
    query: async <Row extends object>(text: string, values?: readonly unknown[], name?: string) =>
      (await run(text, values, name)).rows as Row[],
    execute: async (text, values, name) => (await run(text, values, name)).rowCount ?? 0,
  };
}

async function transaction<Result>(
  orm: MikroORM,
  connections: Connections,
  run: Run,
  work: (tx: CopyTransaction) => Promise<Result>,
  options: TransactionOptions,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptTransaction(orm, connections, run, work, options);
    } catch (error) {
      if (!isContention(error) || attempt === ATTEMPTS) throw explained(error);
      const pauseMs = 2 ** attempt * (1 + Math.random());
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

async function attemptTransaction<Result>(
  orm: MikroORM,
  connections: Connections,
  run: Run,
  work: (tx: CopyTransaction) => Promise<Result>,
  options: TransactionOptions,
): Promise<Result> {
  const client = await connections.acquire();
  const silenceMs = options.statementTimeoutMs === undefined ? undefined : silenceFor(options.statementTimeoutMs);
  const onClient = (text: string, values?: readonly unknown[], name?: string) =>
    run(client, text, values, name, silenceMs);
  const copying = new Copying(client);
  try {
    await onClient(beginStatement(options));
    const em = hasEntities(orm) ? await entityManagerOn(orm, client) : undefined;
    const result = await work({
      ...queryable(onClient),
      copyOut: (text) => copying.out(text),
      copyIn: (text, rows) => copying.into(text, rows),
      get em() {
        assert(em !== undefined, 'openDatabase was given the entities that a transaction asks for');
        return em;
      },
    });
    await em?.flush();
    await onClient('commit');
    client.release();
    return result;
  } catch (error) {
    // In the middle of a COPY the connection takes no ROLLBACK: closing it is one.
    if (copying.unfinished || isConnectionGone(error)) connections.release(client, error, true);
    else await rollback(client);
    throw error;
  }
}

/** COPY over the connection of a transaction. */
class Copying {
  unfinished = false;
  readonly #client: PgPooledClient;

  constructor(client: PgPooledClient) {
    this.#client = client;
  }

  out(text: string): Readable {
    const stream = copyStreams.to(text);
    this.#begin(stream);
    return stream.on('end', () => this.#end(stream));
  }

  async into(text: string, rows: AsyncIterable<Buffer>): Promise<number> {
    const stream = copyStreams.from(text);
    this.#begin(stream);
    await pipeline(rows, stream);
    this.#end(stream);
    return stream.rowCount;
  }

  #begin(stream: copyStreams.CopyStreamQuery | copyStreams.CopyToStreamQuery): void {
    this.unfinished = true;
    this.#client.query(stream as never);
  }

  /** `pg` hangs its silence timer on `callback`, which these streams never call: it would keep the process from ending. */
  #end(stream: object): void {
    this.unfinished = false;
    if ('callback' in stream && typeof stream.callback === 'function') stream.callback();
  }
}

/** With no limit on the server we wait as long as a timer can (2^31-1 ms); keep-alive still notices a dead peer. */
const silenceFor = (statementTimeoutMs: number): number =>
  statementTimeoutMs === 0 ? 2_147_483_647 : statementTimeoutMs + SILENCE_MS;

function beginStatement(options: TransactionOptions): string {
  const begin = `begin isolation level ${options.isolation ?? 'read committed'}${options.readOnly ? ' read only' : ''}`;
  if (options.statementTimeoutMs === undefined) return begin;
  return `${begin}; set local statement_timeout = ${options.statementTimeoutMs}; set local lock_timeout = 0`;
}

/** Gives the connection back clean; one that cannot be cleaned is closed, which rolls back on the server. */
async function rollback(client: PgPooledClient): Promise<void> {
  try {
    await client.query({ text: 'rollback' });
    client.release();
  } catch (error) {
    client.release(error instanceof Error ? error : true);
  }
}

const hasEntities = (orm: MikroORM): boolean => orm.config.get('entities').length > 0;

/**
 * An entity manager whose every statement goes over the connection of the transaction that is already open: a Kysely
 * over a "pool" of just that connection, given to MikroORM as its transaction. Its BEGIN is answered here, its nested
 * transactions become savepoints, and COMMIT stays with us.
 */
async function entityManagerOn(orm: MikroORM, client: PgPooledClient): Promise<EntityManager> {
  const begun = { command: 'BEGIN', rowCount: null, rows: [] };
  const only = {
    query: (sql: string, parameters: readonly unknown[]) =>
      sql === 'begin' ? Promise.resolve(begun) : client.query({ text: sql, values: [...parameters] }),
    release: () => undefined,
  };
  const dialect = new PostgresDialect({ pool: { connect: async () => only, end: async () => undefined } as never });
  const em = orm.em.fork();
  em.setTransactionContext(await new Kysely<unknown>({ dialect }).startTransaction().execute());
  return em;
}
