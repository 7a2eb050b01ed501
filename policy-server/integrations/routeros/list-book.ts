import { monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { say } from '#domain/say';
import type { ApiRow, Connection, Reply } from '#integrations/routeros/client';

/** One static entry of a router's address-lists. */
export type Entry = {
  readonly id: string;
  readonly list: string;
  readonly address: string;
  /** The subscriber our tag in the comment names; null = it is not ours, and may be another installation's. */
  readonly owner: number | null;
  readonly disabled: boolean;
};

/** An address that is to be in one list of ours, or (null) in none. */
export type Wanted = {
  readonly subscriberId: number;
  readonly address: string;
  readonly list: string | null;
  /** The router is known to hold no entry of ours for it: it is added without asking first. */
  readonly isNew: boolean;
};

/** What came of it: carried out or refused by the router, and which command it took (null: none). */
export type Placed = {
  readonly is: 'done' | 'refused';
  readonly act: 'list-add' | 'list-move' | 'list-remove' | null;
  readonly said: string;
};

const MENU = '/ip/firewall/address-list';
const PROPERTIES = '=.proplist=.id,list,address,comment,dynamic,disabled';
/** An entry may vanish between looking and changing; more often than this it is not the entry that is at fault. */
const TRIES = 3;
const MANY_QUESTIONS = 20;
/** After everything was read it is left alone for so many times as long as that took. */
const PAUSE_PER_READ = 20;

/** Our mark in an entry's comment; behind a space anybody may add to it. */
const tagOf = (installation: string, subscriberId: number): string => `gerbang:${installation}:${subscriberId}`;
const TAG = /^gerbang:([0-9a-f]{8}):([1-9]\d{0,14})(?: |$)/;

const NOT_OURS = say`there already, not made by us`;
const DISABLED = say`an entry that is not ours and is disabled is in the way`;

/** Of entries of an address that is "already" in the list: theirs is in force. A dynamic one is not shown, and is. */
const othersServes = (there: readonly Entry[], list: string): boolean =>
  !there.some((entry) => entry.list === list && entry.disabled);

const done = (act: Placed['act'], said = 'done'): Placed => ({ is: 'done', act, said });

/**
 * The address-lists of one router over one connection, as far as they are ours: the entries that carry the tag of our
 * installation. All others are looked at and never touched; dynamic ones (of PPP, or with a timeout) are not even looked at.
 *
 * What it remembers of the router saves a question for each change, and is not relied on: another node or a person may
 * have changed it. An entry is moved by its `.id`, which fails when it is gone; and before it is said that there is
 * nothing to do, the router is asked. A question costs the router a walk through all its lists: after a number of them
 * everything is read once instead.
 */
export class ListBook {
  readonly #connection: Connection;
  readonly #installation: string;
  #ours = new Map<string, readonly Entry[]>();
  /** Questions asked since everything was read. */
  #asked = 0;
  #isReading = false;
  #nextReadAtMs = 0;
  readonly #turns = new Map<string, Promise<unknown>>();

  /** `installation`: whose entries are ours, as `installationId` tells it. */
  constructor(connection: Connection, installation: string) {
    this.#connection = connection;
    this.#installation = installation;
  }

  /** Every static entry of the router, ours and others'. Throws `Unavailable`. */
  async readAll(): Promise<Entry[]> {
    const beganMs = monotonicMs();
    // Queries know `=`, `<`, `>` and boolean operations, but no pattern: our tag cannot be asked for.
    const entries = await this.#print(['?dynamic=true', '?#!']);
    this.#ours = Map.groupBy(
      entries.filter((entry) => entry.owner !== null),
      (entry) => entry.address,
    );
    this.#asked = 0;
    this.#nextReadAtMs = monotonicMs() + (monotonicMs() - beganMs) * PAUSE_PER_READ;
    return entries;
  }

  /**
   * Sees to it that of our entries for this address exactly one is there, in the wanted list, enabled and tagged with the
   * subscriber; with list null, that the subscriber has none. An entry that changes its list is moved by one `set`, so it
   * is never in both or neither. Throws `Unavailable` when it is not known what came of it.
   */
  place(wanted: Wanted): Promise<Placed> {
    const before = this.#turns.get(wanted.address) ?? Promise.resolve();
    const turn = before.then(() => this.#place(wanted));
    const forget = () => {
      if (this.#turns.get(wanted.address) === ended) this.#turns.delete(wanted.address);
    };
    // Whoever comes next waits only for the end of this turn; how it ended is its caller's.
    const ended: Promise<void> = turn.then(forget, forget);
    this.#turns.set(wanted.address, ended);
    return turn;
  }

  /** Removes entries of ours. What is gone already is as good. Throws `Unavailable`. */
  async removeAll(entries: readonly Entry[]): Promise<void> {
    await Promise.all(entries.map((entry) => this.#remove(entry)));
  }

  async #place(wanted: Wanted): Promise<Placed> {
    const { subscriberId, address, list } = wanted;
    let known = this.#ours.get(address) ?? (wanted.isNew && list !== null ? [] : null);
    let isSure = known?.length === 0;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const ours = known ?? (await this.#ask(address));
      isSure ||= known === null;
      const placed =
        list === null
          ? await this.#clear(
              ours.filter((entry) => entry.owner === subscriberId),
              isSure,
            )
          : await this.#settle({ ...wanted, list }, ours, isSure);
      if (placed !== 'again') return placed;
      known = null;
    }
    return { is: 'refused', act: null, said: say`the entry changes under our hands` };
  }

  /** What the router has of ours for an address at this moment. */
  async #ask(address: string): Promise<readonly Entry[]> {
    this.#asked += 1;
    if (this.#asked > MANY_QUESTIONS && !this.#isReading && monotonicMs() >= this.#nextReadAtMs) {
      this.#isReading = true;
      await this.readAll().finally(() => {
        this.#isReading = false;
      });
      return this.#ours.get(address) ?? [];
    }
    const ours = (await this.#find(address)).filter((entry) => entry.owner !== null);
    this.#remember(address, ours);
    return ours;
  }

  async #clear(mine: readonly Entry[], isSure: boolean): Promise<Placed | 'again'> {
    if (mine.length === 0) return isSure ? done(null, say`there is none`) : 'again';
    for (const entry of mine) {
      const reply = await this.#remove(entry);
      if (reply.is === 'trap') return { is: 'refused', act: 'list-remove', said: reply.message };
    }
    return done('list-remove');
  }

  async #settle(wanted: Wanted & { list: string }, ours: readonly Entry[], isSure: boolean): Promise<Placed | 'again'> {
    const { list } = wanted;
    const kept = ours.find((entry) => entry.list === list) ?? ours[0];
    if (kept === undefined) return isSure ? this.#add(wanted) : 'again';
    const isSo = kept.list === list && kept.owner === wanted.subscriberId && !kept.disabled;
    if (isSo && !isSure) return 'again';
    const placed = isSo ? done(null, say`it is there`) : await this.#move(kept, wanted);
    if (placed === 'again' || placed.is === 'refused') return placed;
    for (const other of ours) if (other !== kept) await this.#remove(other);
    return placed;
  }

  async #add({ subscriberId, address, list }: Wanted & { list: string }): Promise<Placed | 'again'> {
    const comment = tagOf(this.#installation, subscriberId);
    const reply = await this.#talk(['add', `=list=${list}`, `=address=${address}`, `=comment=${comment}`]);
    if (reply.is === 'done') {
      if (reply.ret !== null) {
        this.#remember(address, [{ id: reply.ret, list, address, owner: subscriberId, disabled: false }]);
      }
      return done('list-add');
    }
    if (!isThereAlready(reply)) return { is: 'refused', act: 'list-add', said: reply.message };
    // Whose? Ours (another node was quicker): it is adopted in the next try.
    const there = await this.#find(address);
    if (there.some((entry) => entry.owner !== null)) return 'again';
    return othersServes(there, list) ? done(null, NOT_OURS) : { is: 'refused', act: 'list-add', said: DISABLED };
  }

  async #move(entry: Entry, { subscriberId, address, list }: Wanted & { list: string }): Promise<Placed | 'again'> {
    const words = [`=.id=${entry.id}`];
    if (entry.list !== list) words.push(`=list=${list}`);
    if (entry.owner !== subscriberId) words.push(`=comment=${tagOf(this.#installation, subscriberId)}`);
    if (entry.disabled) words.push('=disabled=no');
    const reply = await this.#talk(['set', ...words]);
    if (reply.is === 'done') {
      this.#remember(address, [{ ...entry, list, owner: subscriberId, disabled: false }]);
      return done('list-move');
    }
    if (isGone(reply)) return 'again';
    if (!isThereAlready(reply)) return { is: 'refused', act: 'list-move', said: reply.message };
    // Somebody else has the address in the wanted list: theirs serves, and ours must not stay in the other.
    if (!othersServes(await this.#find(address), list)) return { is: 'refused', act: 'list-move', said: DISABLED };
    const removed = await this.#remove(entry);
    if (removed.is === 'trap') return { is: 'refused', act: 'list-remove', said: removed.message };
    return done('list-remove', say`${NOT_OURS}; ours was taken out of the other list`);
  }

  /** A trap only where the entry is still there. */
  async #remove(entry: Entry): Promise<Reply> {
    const reply = await this.#talk(['remove', `=.id=${entry.id}`]);
    if (reply.is === 'trap' && !isGone(reply)) return reply;
    const others = (this.#ours.get(entry.address) ?? []).filter(({ id }) => id !== entry.id);
    this.#remember(entry.address, others);
    return { is: 'done', rows: [], ret: null };
  }

  #remember(address: string, ours: readonly Entry[]): void {
    if (ours.length === 0) this.#ours.delete(address);
    else this.#ours.set(address, ours);
  }

  #find(address: string): Promise<Entry[]> {
    return this.#print([`?address=${address}`]);
  }

  async #print(query: readonly string[]): Promise<Entry[]> {
    const reply = await this.#talk(['print', PROPERTIES, ...query]);
    if (reply.is === 'trap') throw new Unavailable(say`does not show its address-lists: ${reply.message}`);
    return reply.rows.flatMap((row) => entryOf(row, this.#installation));
  }

  #talk([verb, ...words]: readonly [string, ...string[]]): Promise<Reply> {
    return this.#connection.talk([`${MENU}/${verb}`, ...words]);
  }
}

function entryOf(row: ApiRow, installation: string): Entry[] {
  const { '.id': id, list, address, comment = '', dynamic, disabled } = row;
  if (id === undefined || list === undefined || address === undefined || dynamic === 'true') return [];
  const [, whose, subscriber] = TAG.exec(comment) ?? [];
  return [
    { id, list, address, owner: whose === installation ? Number(subscriber) : null, disabled: disabled === 'true' },
  ];
}

type Trap = Extract<Reply, { is: 'trap' }>;

// Categories came with 6.x and not everywhere: where there is none, the text has to do.
const isGone = (trap: Trap): boolean => trap.category === 0 || /no such item/i.test(trap.message);
const isThereAlready = (trap: Trap): boolean => /already have such/i.test(trap.message);
