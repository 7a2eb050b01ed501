import { Unavailable } from '#domain/errors';

/** The little of `pg` that this room touches (the package ships no types of its own). */
export type PgClient = {
  query(config: PgQuery): Promise<PgResult>;
  on(event: 'notification', listener: (message: { channel: string; payload?: string }) => void): void;
  on(event: 'error' | 'end', listener: (error?: Error) => void): void;
  connect(): Promise<unknown>;
  end(): Promise<void>;
};
export type PgPooledClient = PgClient & { release(error?: Error | boolean): void };
export type PgPool = {
  connect(): Promise<PgPooledClient>;
  readonly options: Record<string, unknown>;
  readonly ended: boolean;
  end(): Promise<void>;
  Client: PgClientClass;
};
export type PgClientClass = new (options: Record<string, unknown>) => PgClient;
export type PgQuery = {
  text: string;
  values?: unknown[];
  name?: string;
  types?: unknown;
  query_timeout?: number;
};
export type PgResult = { rows: unknown[]; rowCount: number | null; command: string };

/** The SQLSTATE of an error that came from PostgreSQL; undefined for any other. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** The name of the constraint that PostgreSQL says was violated; undefined when the error is not of that kind. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!sqlState(error)?.startsWith('23') || typeof error !== 'object' || error === null) return undefined;
  return 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
}

/** Another transaction was in the way and the same work done again may succeed: 40001 serialization, 40P01 deadlock. */
export function isContention(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

/**
 * SQLSTATE classes and codes (PostgreSQL, appendix A) that speak of the database's condition, not of our statement:
 * 08 connection, 28 login refused, 3D no such database, 53 resources (disk, memory, connections), 57P0x shutting down
 * or starting, 58 system error, 57014 cancelled by statement_timeout, 55P03 lock_timeout, 25006 a read-only standby,
 * 25P03 idle in a transaction for too long.
 */
const CONDITION = /^(08...|28...|3D000|53...|57P0.|58...|57014|55P03|25006|25P03)$/;
/** After these the connection itself is of no more use; a primary that became a standby (25006) stays one. */
const CONNECTION_GONE = /^(08...|57P0.|25006|25P03)$/;
const SOCKET =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT)$/;
/** The texts of `pg` and `pg-pool` for a connection that is no more (they carry no code). */
const DRIVER =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded|timeout expired|Query read timeout|Cannot use a pool after)/;

/** Whether the connection that gave this error must not be used again. */
export function isConnectionGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlState(error);
  if (state !== undefined) return CONNECTION_GONE.test(state);
  return ('code' in error && typeof error.code === 'string' && SOCKET.test(error.code)) || DRIVER.test(error.message);
}

/** The error to throw on: `Unavailable` when the database's condition is the cause, else the error as it came. */
export function explained(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Unavailable) return error;
  const state = sqlState(error);
  if (!isConnectionGone(error) && !(state !== undefined && CONDITION.test(state))) return error;
  const cause = error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message;
  return new Unavailable(`database: ${cause || error.name}`, { cause: error });
}
