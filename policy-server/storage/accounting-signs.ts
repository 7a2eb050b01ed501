import { GAP_BUCKETS, gapBucket, type NasCount, type NasSigns, noSigns } from '#domain/nas-signs';
import { type Instant, SECOND } from '#domain/time';
import type { Fold, SessionRecord } from '#domain/usage';
import type { FoldWitness, Slot } from '#storage/accounting-fold';
import type { Queryable } from '#storage/database';
import { toldOfSessions } from '#storage/nas-signs';

type Counted = 'repeated' | 'rateKept' | 'rateExceeded' | 'coaKept' | 'coaExceeded';
type Router = {
  readonly nasId: number;
  readonly nasAddress: string;
  readonly counts: Record<Counted, number>;
  readonly gaps: number[];
  samples: number;
};

/** What a session used from one interim to the next, both of which came after it was told what it holds. */
type Sample = {
  readonly router: Router;
  readonly sessionKey: string;
  readonly toldAt: Instant;
  readonly byCoa: boolean;
  readonly downBps: number;
  readonly upBps: number;
};

/** A line that uses less says nothing of its limit. */
const BUSY_BPS = 32_000;
const SHORTEST_GAP_SECONDS = 30;
/** So many sessions of a router at a time are compared with what they were told. */
const SAMPLES_OF_ROUTER = 20;
const MOST_SAMPLES = 500;
/** Counters hold what the queue does not limit: headers of PPP and Ethernet; and the queue has a burst of its own. */
const TOLERANCE = 1.25;
/** From this share of its rate on, a line that stays below it shows that the limit works. */
const BUSY_SHARE = 0.5;
/** What the Access-Accept told is dated to the session's start, as well as that is known. */
const AT_START_MS = 10 * SECOND;

/**
 * What accounting shows of each router beside the usage: interims that are missing, records that come twice, and usage
 * over the rate that was told. `Packet` by packet this is some 50 ns; of what is costly there are samples.
 */
export class AccountingSigns implements FoldWitness {
  readonly #routers = new Map<string, Router>();
  #samples: Sample[] = [];

  folded(slot: Slot, record: SessionRecord, { state, effect, upBytes, downBytes }: Fold): void {
    if (effect === 'duplicate') {
      this.#router(record).counts.repeated += 1;
      return;
    }
    const before = slot.state;
    // A Stop ends its session and is no interim; it is never 'advanced'.
    if (before === null || effect !== 'advanced') return;
    const seconds = state.seconds - before.seconds;
    if (seconds <= 0) return;
    const router = this.#router(record);
    router.gaps[gapBucket(seconds)]! += 1;
    if (seconds < SHORTEST_GAP_SECONDS) return;
    // Told before the interim that began this gap, so all of it was used under what was told.
    if (slot.toldAt === null || slot.confirmedAt === null || slot.confirmedAt < slot.toldAt) return;
    const downBps = (downBytes * 8) / seconds;
    const upBps = (upBytes * 8) / seconds;
    if (Math.max(downBps, upBps) < BUSY_BPS) return;
    if (router.samples >= SAMPLES_OF_ROUTER || this.#samples.length >= MOST_SAMPLES) return;
    router.samples += 1;
    const byCoa = slot.toldAt - before.startedAt > AT_START_MS;
    this.#samples.push({ router, sessionKey: slot.key, toldAt: slot.toldAt, byCoa, downBps, upBps });
  }

  /** Takes in what another has seen. */
  add(other: AccountingSigns): void {
    for (const [key, router] of other.#routers) {
      const own = this.#routers.get(key);
      if (own === undefined) {
        this.#routers.set(key, router);
        continue;
      }
      for (const [name, count] of Object.entries(router.counts) as [Counted, number][]) own.counts[name] += count;
      for (const [bucket, count] of router.gaps.entries()) own.gaps[bucket]! += count;
    }
    for (const sample of other.#samples) {
      const router = this.#routers.get(keyOf(sample.router))!;
      if (this.#samples.length < MOST_SAMPLES) this.#samples.push({ ...sample, router });
    }
  }

  /** What was seen since the last time; the samples are compared with what the sessions were told. Throws `Unavailable`. */
  async take(q: Queryable): Promise<NasSigns[]> {
    if (this.#routers.size === 0) return [];
    const told = new Map(
      (
        await toldOfSessions(
          q,
          this.#samples.map(({ sessionKey }) => sessionKey),
        )
      ).map((row) => [row.key, row]),
    );
    for (const sample of this.#samples) {
      const row = told.get(sample.sessionKey);
      if (row === undefined || row.at !== sample.toldAt) continue;
      const verdict = verdictOn(sample, row.told);
      if (verdict !== null) sample.router.counts[verdict] += 1;
    }
    const signs = [...this.#routers.values()].map(({ nasId, nasAddress, counts, gaps }) => ({
      ...noSigns(nasId, nasAddress),
      counts: Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)) as Partial<
        Record<NasCount, number>
      >,
      gaps,
    }));
    this.#routers.clear();
    this.#samples = [];
    return signs;
  }

  #router(record: SessionRecord): Router {
    const key = keyOf(record);
    const known = this.#routers.get(key);
    if (known !== undefined) return known;
    const { nasId, nasAddress } = record;
    const counts = { repeated: 0, rateKept: 0, rateExceeded: 0, coaKept: 0, coaExceeded: 0 };
    const router = { nasId, nasAddress, counts, gaps: new Array<number>(GAP_BUCKETS).fill(0), samples: 0 };
    this.#routers.set(key, router);
    return router;
  }
}

const keyOf = ({ nasId, nasAddress }: { readonly nasId: number; readonly nasAddress: string }): string =>
  `${nasId} ${nasAddress}`;

/** `Told.live` of domain/reconcile: `20000000/10000000 list=… burst=…/… over=40000000/20000000 for=16`, download first. */
const RATE = /^(\d+)\/(\d+)(?: |$)/;
const BURST = / over=(\d+)\/(\d+)/;

/** Null: neither way was busy, or what was told is not known (a long line is a hash). */
function verdictOn({ byCoa, downBps, upBps }: Sample, told: string): Counted | null {
  const rate = RATE.exec(told);
  if (rate === null) return null;
  const over = BURST.exec(told);
  const limits = [1, 2].map((at) => Math.max(Number(rate[at]), Number(over?.[at] ?? 0)));
  const shares = [downBps / limits[0]!, upBps / limits[1]!];
  if (shares.some((share) => share > TOLERANCE)) return byCoa ? 'coaExceeded' : 'rateExceeded';
  if (shares.some((share) => share >= BUSY_SHARE)) return byCoa ? 'coaKept' : 'rateKept';
  return null;
}
