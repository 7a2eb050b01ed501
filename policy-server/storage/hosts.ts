import { Unavailable } from '#domain/errors';
import type { PgClient, PgClientClass } from '#storage/connection';

/**
 * A DATABASE_URL may name several hosts, as libpq takes them: `postgres://user:password@db1:5432,db2:5432/gerbang`.
 * One of them takes writes (the primary); which one is found by asking all of them, and again whenever a connection was
 * lost or could not write: after a fail-over nobody has to be told.
 */

/** One URL for each host. */
export function urlsOf(url: string): string[] {
  const { before, hosts, after } = partsOf(url);
  return hosts.map((host) => `${before}${host}${after}`);
}

/** Hosts and database in words, without the password. */
export function placeOf(url: string): string {
  const { hosts, after } = partsOf(url);
  const named = hosts.map((host) => (/:\d+$/.test(host) ? host : `${host}:5432`));
  return `${named.join(', ')}${after.replace(/\?.*$/s, '')}`;
}

function partsOf(url: string): { before: string; hosts: string[]; after: string } {
  const [, scheme, authority, after] = /^([^/]*\/\/)([^/?]*)(.*)$/s.exec(url) ?? [null, '', url, ''];
  const at = authority!.lastIndexOf('@') + 1;
  return { before: `${scheme}${authority!.slice(0, at)}`, hosts: authority!.slice(at).split(','), after: after! };
}

const ASK_TIMEOUT_MS = 2_000;

/**
 * The timeline grows with every promotion: should an old primary come back and take writes because nobody fenced it
 * off, the newer one is believed.
 */
const ASK = `select case when pg_is_in_recovery() or current_setting('transaction_read_only')::boolean then null
                         else substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) end as timeline`;

type Answer = { readonly url: string; readonly timeline: string | null; readonly says: string };

export class Hosts {
  readonly #urls: readonly string[];
  readonly #Client: PgClientClass;
  readonly #options: Record<string, unknown>;
  /** Connections that are open, with the host they go to. */
  readonly #open = new Map<PgClient, string>();
  #url: string;
  #settled: boolean;
  #finding: Promise<void> | null = null;

  /** `Client` and `options` are those of the pool. */
  constructor(url: string, Client: PgClientClass, options: Record<string, unknown>) {
    this.#urls = urlsOf(url);
    this.#url = this.#urls[0]!;
    this.#settled = this.#urls.length === 1;
    this.#Client = Client;
    this.#options = options;
  }

  /** A client class for the pool whose connections go to the host that was found last. */
  clientClass(): PgClientClass {
    const hosts = this;
    return class extends this.#Client {
      constructor(options: Record<string, unknown>) {
        super({ ...options, connectionString: hosts.#url });
        hosts.#open.set(this, hosts.#url);
        this.on('end', () => hosts.#open.delete(this));
      }
    };
  }

  /** Resolves when it is known who takes writes. Throws `Unavailable` when nobody does. */
  async settle(): Promise<void> {
    if (this.#settled) return;
    this.#finding ??= this.#find().finally(() => {
      this.#finding = null;
    });
    await this.#finding;
  }

  /** A connection failed, or cannot write: it may be somebody else now. False where there is nobody else. */
  doubt(): boolean {
    this.#settled = this.#urls.length === 1;
    return !this.#settled;
  }

  /** The connection goes to a host that is not the one any more. */
  isStale(client: PgClient): boolean {
    return (this.#open.get(client) ?? this.#url) !== this.#url;
  }

  async #find(): Promise<void> {
    const answers = await Promise.all(this.#urls.map((url) => this.#ask(url)));
    let best: Answer | null = null;
    for (const answer of answers) {
      if (answer.timeline !== null && (best === null || answer.timeline > best.timeline!)) best = answer;
    }
    if (best === null)
      throw new Unavailable(`database: no host takes writes (${answers.map(({ says }) => says).join('; ')})`);
    this.#url = best.url;
    this.#settled = true;
    // What still waits for an answer of the old one waits in vain.
    for (const [client, url] of this.#open) if (url !== best.url) void client.end().catch(() => undefined);
  }

  async #ask(url: string): Promise<Answer> {
    const where = placeOf(url).replace(/\/.*$/, '');
    const limits = { connectionTimeoutMillis: ASK_TIMEOUT_MS, query_timeout: ASK_TIMEOUT_MS };
    const client = new this.#Client({ ...this.#options, ...limits, connectionString: url });
    client.on('error', () => undefined); // told by the query
    try {
      await client.connect();
      const { rows } = await client.query({ text: ASK });
      const { timeline } = rows[0] as { timeline: string | null };
      return { url, timeline, says: `${where} is a standby` };
    } catch (error) {
      return { url, timeline: null, says: `${where}: ${error instanceof Error ? error.message : String(error)}` };
    } finally {
      // It answered, or it did not: a farewell adds nothing.
      void client.end().catch(() => undefined);
    }
  }
}
