import { type NasSigns, noSigns } from '#domain/nas-signs';
import type { Instant } from '#domain/time';
import { papIsReadable } from '#radius/credentials';
import { Code, type Packet } from '#radius/packet';
import type { Secret } from '#radius/secret';

/**
 * What a RADIUS worker sees of each router while it answers it: numbers on the object that its source address leads to
 * anyway, some nanoseconds a request; whatever costs more is looked at only for requests that are rejected or asked
 * again. Every few seconds they are taken and begin at nothing.
 */
export class RouterSigns {
  #accepted = 0;
  #rejected = 0;
  #signed = 0;
  #unsigned = 0;
  #unsignedDropped = 0;
  #papReadable = 0;
  #papGarbled = 0;
  #authForged = 0;
  #acctForged = 0;
  #accounted = 0;
  #delayed = 0;
  #againQueued = 0;
  #againHeld = 0;
  #againUnwritten = 0;
  #againSoon = 0;
  #againLate = 0;
  #identity: string | null = null;
  #skewMs = Number.NaN;

  /** An Access-Request that was answered with this code. */
  answered(packet: Packet, secret: Secret, code: number): void {
    if (packet.messageAuthenticatorAt !== 0) this.#signed += 1;
    else this.#unsigned += 1;
    const isPap = packet.find(USER_PASSWORD) !== 0;
    if (code === Code.accessAccept) {
      this.#accepted += 1;
      if (isPap) this.#papReadable += 1;
      return;
    }
    this.#rejected += 1;
    if (!isPap) return;
    // A wrong password that is text proves the secret as well as a right one does.
    if (papIsReadable(packet, secret)) this.#papReadable += 1;
    else this.#papGarbled += 1;
  }

  /** An Access-Request that was dropped for lack of proof (RFC 3579 section 3.2). */
  unproven(packet: Packet): void {
    if (packet.code !== Code.accessRequest) return;
    if (packet.messageAuthenticatorAt !== 0) {
      this.#authForged += 1;
      return;
    }
    this.#unsigned += 1;
    this.#unsignedDropped += 1;
  }

  /** An Accounting-Request that the secret does not bear out. */
  forgedAccounting(): void {
    this.#acctForged += 1;
  }

  /** A genuine Accounting-Request, for the first time. */
  accounted(packet: Packet, at: Instant): void {
    this.#accounted += 1;
    const delay = packet.uint32(ACCT_DELAY_TIME) ?? 0;
    if (delay > 0) this.#delayed += 1;
    const stamped = packet.uint32(EVENT_TIMESTAMP);
    if (stamped !== undefined) this.#skewMs = (stamped + delay) * 1000 - at;
    this.#identity ??= packet.text(NAS_IDENTIFIER) ?? null;
  }

  /**
   * A request again, octet for octet, `ageMs` after it was first read. One that comes sooner than any router asks again
   * has waited in our queue beside the first. `waiting`: its reply had not left yet, because a Reject is held back or an
   * accounting record is not on disk.
   */
  again(ageMs: number, waiting: 'held' | 'unwritten' | null): void {
    if (ageMs < QUEUED_MS) this.#againQueued += 1;
    else if (waiting === 'held') this.#againHeld += 1;
    else if (waiting === 'unwritten') this.#againUnwritten += 1;
    else if (ageMs <= SOON_MS) this.#againSoon += 1;
    else this.#againLate += 1;
  }

  /** What was seen since the last time, or null for nothing; from here it begins anew. */
  take(nasId: number, nasAddress: string, at: Instant): NasSigns | null {
    const counts = {
      accepted: this.#accepted,
      rejected: this.#rejected,
      signed: this.#signed,
      unsigned: this.#unsigned,
      unsignedDropped: this.#unsignedDropped,
      papReadable: this.#papReadable,
      papGarbled: this.#papGarbled,
      authForged: this.#authForged,
      acctForged: this.#acctForged,
      accounted: this.#accounted,
      delayed: this.#delayed,
      againQueued: this.#againQueued,
      againHeld: this.#againHeld,
      againUnwritten: this.#againUnwritten,
      againSoon: this.#againSoon,
      againLate: this.#againLate,
    };
    const seen = Object.entries(counts).filter(([, count]) => count > 0);
    if (seen.length === 0) return null;
    const when = (...some: number[]): Instant | null => (some.some((count) => count > 0) ? at : null);
    const signs: NasSigns = {
      ...noSigns(nasId, nasAddress),
      counts: Object.fromEntries(seen),
      authAt: when(counts.signed, counts.unsigned, counts.authForged),
      acctAt: when(counts.accounted),
      rightAt: when(counts.signed, counts.accounted, counts.papReadable),
      wrongAt: when(counts.authForged, counts.acctForged, counts.papGarbled),
      signedAt: when(counts.signed),
      unsignedAt: when(counts.unsigned),
      identity: this.#identity === null ? null : printable(this.#identity),
      skew: Number.isNaN(this.#skewMs) ? null : { ms: this.#skewMs, at },
    };
    this.#begin();
    return signs;
  }

  #begin(): void {
    this.#accepted = this.#rejected = this.#signed = this.#unsigned = this.#unsignedDropped = 0;
    this.#papReadable = this.#papGarbled = this.#authForged = this.#acctForged = 0;
    this.#accounted = this.#delayed = 0;
    this.#againQueued = this.#againHeld = this.#againUnwritten = this.#againSoon = this.#againLate = 0;
    this.#identity = null;
    this.#skewMs = Number.NaN;
  }
}

/** The signs of every router that asks this worker. Bounded: a block of addresses may be forged from end to end. */
export class SignsBook {
  readonly #routers = new Map<
    string,
    { readonly nasId: number; readonly address: string; readonly signs: RouterSigns }
  >();
  /** Of those there is no room for, and of this node asking itself: counted and thrown away. */
  readonly #nobody = new RouterSigns();
  readonly #most: number;

  constructor(most = MOST_ROUTERS) {
    this.#most = most;
  }

  /** The same object for the same router, as long as this book lives. */
  of(nasId: number, address: string): RouterSigns {
    const key = `${nasId} ${address}`;
    const known = this.#routers.get(key);
    if (known !== undefined) return known.signs;
    if (nasId === OWN_NAS || this.#routers.size >= this.#most) return this.#nobody;
    const signs = new RouterSigns();
    this.#routers.set(key, { nasId, address, signs });
    return signs;
  }

  /** What was seen of every router since the last time. */
  take(at: Instant): NasSigns[] {
    const taken: NasSigns[] = [];
    for (const { nasId, address, signs } of this.#routers.values()) {
      const seen = signs.take(nasId, address, at);
      if (seen !== null) taken.push(seen);
    }
    return taken;
  }
}

/** RouterOS asks again after 100 ms at the soonest (the default of its timeout in 2025; mikrotik.md, part 2). */
const QUEUED_MS = 90;
/** Twice the timeout that most versions have (300 ms): a router whose patience is that short. */
const SOON_MS = 650;
const MOST_ROUTERS = 4096;
/** The entry by which a node asks itself (`status-probe.ts`). */
const OWN_NAS = 0;

const USER_PASSWORD = 2;
const NAS_IDENTIFIER = 32;
const ACCT_DELAY_TIME = 41;
const EVENT_TIMESTAMP = 55;

/** A stranger may have chosen it. */
function printable(text: string): string {
  return text.slice(0, 64).replace(/\p{C}/gu, '\ufffd');
}
