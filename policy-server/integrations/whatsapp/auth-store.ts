import type {
  AuthenticationCreds,
  AuthenticationState,
  SignalDataSet,
  SignalDataTypeMap,
} from '@whiskeysockets/baileys';
import { SECOND } from '#domain/time';
import type { Baileys } from '#integrations/whatsapp/library';
import type { IntegrationLog } from '#integrations/whatsapp/transport';
import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';
import { type AuthEntry, readAuth, wipeAuth, writeAuth } from '#storage/whatsapp-auth';

const CREDS = 'creds';
const AGAIN_MS = SECOND;

/**
 * The link to WhatsApp in PostgreSQL, sealed. Writes go one after another, each a single statement (the first login
 * writes 812 pre-keys at once), and are awaited: a message is encrypted with a key that is on disk, so that a kill does
 * not use a key twice. One process at a time may hold it: whoever has the lock of the outbox.
 */
export class AuthStore {
  readonly #db: Database;
  readonly #sealer: Sealer;
  readonly #baileys: Baileys;
  readonly #log: IntegrationLog;
  #creds: AuthenticationCreds;
  #writing: Promise<void> = Promise.resolve();
  #credsWanted = false;
  /** Counts the links there were: what is written late for an older one is left out. */
  #link = 0;
  #closed = false;

  private constructor(
    of: { db: Database; sealer: Sealer; baileys: Baileys; log: IntegrationLog },
    creds: string | null,
  ) {
    this.#db = of.db;
    this.#sealer = of.sealer;
    this.#baileys = of.baileys;
    this.#log = of.log;
    this.#creds = creds === null ? of.baileys.initAuthCreds() : JSON.parse(creds, of.baileys.BufferJSON.reviver);
  }

  /** Throws `Unavailable`, or `SecretsFault` when the stored link cannot be opened. */
  static async open(of: { db: Database; sealer: Sealer; baileys: Baileys; log: IntegrationLog }): Promise<AuthStore> {
    const creds = await readAuth(of.db, of.sealer, CREDS, ['']);
    return new AuthStore(of, creds.get('') ?? null);
  }

  /** Whether the account confirmed the link. (`me` alone is set as soon as a pairing code is asked for.) */
  get paired(): boolean {
    return this.#creds.account != null && this.#creds.me !== undefined;
  }

  get creds(): AuthenticationCreds {
    return this.#creds;
  }

  /** For a new socket: bound to the link as it is now. */
  state(): AuthenticationState {
    const link = this.#link;
    return {
      creds: this.#creds,
      keys: {
        get: (kind, ids) => this.#get(kind, ids),
        set: (data) => this.#set(data, link),
      },
    };
  }

  /** A new identity, for a new pairing. Nothing of the old one stays. */
  async renew(): Promise<void> {
    this.#link += 1;
    this.#creds = this.#baileys.initAuthCreds();
    await this.#inTurn(() => wipeAuth(this.#db));
  }

  /** Takes in what the library says has changed and stores it, unless there is no link yet: an unfinished pairing leaves nothing behind. */
  update(changed: Partial<AuthenticationCreds>, of: AuthenticationCreds): void {
    if (of !== this.#creds) return;
    Object.assign(this.#creds, changed);
    if (!this.paired || this.#credsWanted || this.#closed) return;
    this.#credsWanted = true;
    void this.#inTurn(() => this.#writeCreds());
  }

  /** Waits for what is being written; afterwards nothing is. */
  async close(): Promise<void> {
    await this.#writing;
    this.#closed = true;
  }

  async #writeCreds(): Promise<void> {
    for (;;) {
      this.#credsWanted = false;
      const value = JSON.stringify(this.#creds, this.#baileys.BufferJSON.replacer);
      try {
        await writeAuth(this.#db, this.#sealer, [{ kind: CREDS, id: '', value }]);
        return;
      } catch (error) {
        if (this.#closed) return;
        this.#log.warn({ err: error }, 'the WhatsApp link cannot be stored; trying again');
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async #get<Kind extends keyof SignalDataTypeMap>(
    kind: Kind,
    ids: string[],
  ): Promise<{ [id: string]: SignalDataTypeMap[Kind] }> {
    const { BufferJSON, proto } = this.#baileys;
    const found: { [id: string]: SignalDataTypeMap[Kind] } = {};
    for (const [id, text] of await readAuth(this.#db, this.#sealer, kind, ids)) {
      const value: SignalDataTypeMap[Kind] = JSON.parse(text, BufferJSON.reviver);
      found[id] =
        kind === 'app-state-sync-key'
          ? (proto.Message.AppStateSyncKeyData.fromObject(value as object) as unknown as SignalDataTypeMap[Kind])
          : value;
    }
    return found;
  }

  async #set(data: SignalDataSet, link: number): Promise<void> {
    const entries: AuthEntry[] = Object.entries(data).flatMap(([kind, values]) =>
      Object.entries(values ?? {}).map(([id, value]) => ({
        kind,
        id,
        value: value === null ? null : JSON.stringify(value, this.#baileys.BufferJSON.replacer),
      })),
    );
    if (entries.length === 0) return;
    await this.#inTurn(async () => {
      if (link !== this.#link || this.#closed) return;
      await writeAuth(this.#db, this.#sealer, entries);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#writing.then(work);
    // Whoever wanted this write hears of its failure; the next in the row goes on.
    this.#writing = turn.catch(() => undefined);
    return turn;
  }
}
