import type { AnyEntity, EntityManager, EntityName, EntitySchema } from '@mikro-orm/postgresql';
import { MikroORM } from '@mikro-orm/postgresql';
import { Kysely, PostgresDialect } from 'kysely';
import { assert } from '#domain/assert';
import type { PgPool, PgPooledClient, PgResult } from '#storage/connection';
import { explained, isConnectionGone, isContention } from '#storage/connection';
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

export type Database = Queryable & {
  /**
   * Runs `work` in one transaction. It is run again when another transaction was in the way (40001, 40P01), up to 5
   * times with a growing pause: it must have no effect but on the database. When the connection is lost during COMMIT
   * the outcome is not known: `Unavailable` is thrown and the work may have been committed.
   */
  transaction<Result>(work: (tx: Transaction) => Promise<Result>, options?: TransactionOptions): Promise<Result>;
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
  readonly url: string;
  /** Connections at most; a listener has one more of its own. */
  readonly poolSize: number;
  /** Instead of 30 s for every statement; 0 = no limit, also on waiting for locks and on idle transactions. */
  readonly statementTimeoutMs?: number;
  readonly entities?: readonly (EntityName<AnyEntity> | EntitySchema)[];
};

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
  const orm = new MikroORM({
    clientUrl: options.url,
    entities: [...(options.entities ?? [])],
    discovery: { warnWhenNoEntities: false },
    pool: { min: 0, max: options.poolSize, idleTimeoutMillis: 60_000 },
    driverOptions: {
      ...poolOptions(options.url, options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS),
      onPoolCreated: (made: PgPool) => {
        pool = made;
      },
    },
    logger: () => undefined,
  });
  orm.em.getConnection().getClient(); // makes the pool; `getNativeClient` would also connect
  assert(pool !== undefined, 'MikroORM makes its pool when its client is first asked for');
  return overPool(orm, pool, options.url);
}

function overPool(orm: MikroORM, pool: PgPool, url: string): Database {
  const run = runner(pool);
  const onPool = async (text: string, values?: readonly unknown[], name?: string): Promise<PgResult> => {
    const client = await acquire(pool);
    try {
      const result = await run(client, text, values, name);
      client.release();
      return result;
    } catch (error) {
      client.release(isConnectionGone(error));
      throw explained(error);
    }
  };
  const database = {
    ...queryable(onPool),
    transaction: (work, transactionOptions = {}) => transaction(orm, pool, run, work, transactionOptions),
    listen: (channel, onPayload, onListening) => listen(pool, channel, onPayload, onListening),
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

async function acquire(pool: PgPool): Promise<PgPooledClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw explained(error);
  }
}

async function transaction<Result>(
  orm: MikroORM,
  pool: PgPool,
  run: Run,
  work: (tx: Transaction) => Promise<Result>,
  options: TransactionOptions,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptTransaction(orm, pool, run, work, options);
    } catch (error) {
      if (!isContention(error) || attempt === ATTEMPTS) throw explained(error);
      const pauseMs = 2 ** attempt * (1 + Math.random());
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

async function attemptTransaction<Result>(
  orm: MikroORM,
  pool: PgPool,
  run: Run,
  work: (tx: Transaction) => Promise<Result>,
  options: TransactionOptions,
): Promise<Result> {
  const client = await acquire(pool);
  const silenceMs = options.statementTimeoutMs === undefined ? undefined : silenceFor(options.statementTimeoutMs);
  const onClient = (text: string, values?: readonly unknown[], name?: string) =>
    run(client, text, values, name, silenceMs);
  try {
    await onClient(beginStatement(options));
    const em = hasEntities(orm) ? await entityManagerOn(orm, client) : undefined;
    const result = await work({
      ...queryable(onClient),
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
    await rollback(client, error);
    throw error;
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
async function rollback(client: PgPooledClient, cause: unknown): Promise<void> {
  if (isConnectionGone(cause)) {
    client.release(true);
    return;
  }
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
