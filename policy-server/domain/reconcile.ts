import type { Decision } from '#domain/decision';
import type { Rate } from '#domain/plan';
import type { NasVendor } from '#domain/policy';
import { say } from '#domain/say';
import type { Terms } from '#domain/terms';
import { type Instant, MINUTE } from '#domain/time';

/**
 * What a NAS was told about one session and acknowledged, in two canonical lines: `live` is what a CoA can change
 * (rate, address-list, and attributes that stand for them), `fixed` what only a new dial can (profile, pool, other extra
 * attributes). Two decisions that would
 * tell the NAS the same thing have equal lines. Timeouts are in neither: a new one waits for the next dial.
 */
export type Told = { readonly live: string; readonly fixed: string };

/** Stands for the `live` line where a NAS was told something and it is not known whether it took it. */
const IN_DOUBT = 'unknown';

/** Of the two lines as stored: both null where it was never known, `live` alone where it came into doubt. */
export const toldFrom = (live: string | null, fixed: string | null): Told | null =>
  fixed === null ? null : { live: live ?? IN_DOUBT, fixed };

/** One live session as accounting and acknowledgements show it. */
export type ObservedSession = {
  readonly sessionId: number;
  readonly nasId: number;
  /** What the NAS last acknowledged for it; null when we never knew (it began before us, or without our Class). */
  readonly told: Told | null;
  /** A Disconnect was acknowledged at this instant and no accounting has come since; null otherwise. */
  readonly endingSince: Instant | null;
  /** Somebody asked that it be ended and its NAS has not acknowledged that yet; null otherwise. */
  readonly endAsked: EndAsked | null;
};

export type EndAsked = { readonly at: Instant; readonly reason: string };

/** So long an asked end is tried. A router that answers later must not cut a line that nobody thinks of any more. */
const END_ASKED_MS = 5 * MINUTE;

/** Whether an end that was asked for is still tried. */
export const isEndWanted = (asked: EndAsked, at: Instant): boolean => at - asked.at < END_ASKED_MS;

/** What has to be done so that the network is as decided. */
export type Action = {
  readonly do: 'keep' | 'coa' | 'disconnect';
  readonly sessionId: number;
  readonly nasId: number;
  /** One line for logs and pages. */
  readonly reason: string;
};

export type { Decision };

/** Longest line of `Told` that travels as it is; two of them and the rest of Class stay under its 253 octets (RFC 2865, 5.25). */
export const LONGEST_TOLD_LINE = 112;

/**
 * Compares a decision with what each live session was told: one action for each session, in the order given.
 * A session whose end is acknowledged is left alone; a denied subscriber's is disconnected, and so is one whose end somebody
 * asked for, for some minutes; one that differs in what only a
 * dial can change is disconnected, in rate or list gets a CoA, and one of which we do not know what it was told gets a CoA
 * as well. `vendor` is the make of their NAS. After the actions are applied, reconciling again answers `keep` for all.
 */
export function reconcile(
  decision: Terms,
  observed: readonly ObservedSession[],
  at: Instant,
  vendor: NasVendor = 'mikrotik',
): Action[] {
  if (observed.length === 0) return [];
  const wanted = shortTold(toldOf(decision, vendor));
  return observed.map((session) => {
    const [act, reason] = actionFor(decision, wanted, session, at);
    return { do: act, sessionId: session.sessionId, nasId: session.nasId, reason };
  });
}

function actionFor(
  decision: Terms,
  wanted: Told,
  session: ObservedSession,
  at: Instant,
): readonly [Action['do'], string] {
  if (session.endingSince !== null) {
    const seconds = Math.max(0, Math.round((at - session.endingSince) / 1000));
    return ['keep', say`is ending: the disconnect was acknowledged ${seconds} s ago`];
  }
  if (decision.access === 'denied') return ['disconnect', say`the subscriber is denied`];
  if (session.endAsked !== null && isEndWanted(session.endAsked, at))
    return ['disconnect', say`asked for by staff: ${session.endAsked.reason}`];
  if (session.told === null) return ['coa', say`what it was told is not known: tell it ${wanted.live}`];
  const told = shortTold(session.told);
  if (told.fixed !== wanted.fixed)
    return ['disconnect', say`only a new dial can change ${told.fixed} to ${wanted.fixed}`];
  if (told.live !== wanted.live) return ['coa', say`change ${told.live} to ${wanted.live}`];
  return ['keep', say`is as decided`];
}

/**
 * What the NAS is told by a decision, in canonical form: `20000000/10000000 list=prepaid-active` (download/upload in
 * bits/s, a burst appended as `burst=down/up over=down/up for=seconds`) and `profile=prepaid-20mbps pool=north`, each only
 * where there is one and extra attributes appended as `Name=value` in sending order, or `default`. Values are percent-encoded where they would blur the form. A denied
 * subscriber's NAS is told nothing: both lines are `denied`.
 */
export function toldOf(decision: Terms, vendor: NasVendor = 'mikrotik'): Told {
  if (decision.rate === null) return { live: 'denied', fixed: 'denied' };
  const live = [liveLine(decision.rate, decision.addressList)];
  const fixed: string[] = [];
  for (const [name, value] of decision.attributes)
    (isLiveAttribute(name, vendor) ? live : fixed).push(`${plain(name)}=${plain(value)}`);
  if (decision.pool !== null) fixed.unshift(`pool=${plain(decision.pool)}`);
  if (decision.profile !== null) fixed.unshift(`profile=${plain(decision.profile)}`);
  return { live: live.join(' '), fixed: fixed.join(' ') || 'default' };
}

/** Attributes in which a NAS of that make is told a rate or a list: a CoA changes them. */
const LIVE_ATTRIBUTES: Readonly<Record<NasVendor, readonly string[]>> = {
  mikrotik: [],
  generic: ['filter-id', 'wispr-bandwidth-max-down', 'wispr-bandwidth-max-up'],
  'accel-ppp': ['filter-id'],
};

/** Whether a CoA can change an extra attribute of the policy, because a NAS of that make reads its rate or list from it. */
export const isLiveAttribute = (name: string, vendor: NasVendor): boolean =>
  LIVE_ATTRIBUTES[vendor].includes(name.toLowerCase());

function liveLine(rate: Rate, addressList: string | null): string {
  const line = `${rate.downloadBps}/${rate.uploadBps} list=${plain(addressList)}`;
  const burst = rate.burst;
  if (burst === null) return line;
  const over = `${burst.thresholdDownloadBps}/${burst.thresholdUploadBps}`;
  return `${line} burst=${burst.downloadBps}/${burst.uploadBps} over=${over} for=${burst.seconds}`;
}

/** Each line that is too long for Class becomes `#` and a hash of it; short lines, and lines shortened before, stay. */
export function shortTold(told: Told): Told {
  if (told.live.length <= LONGEST_TOLD_LINE && told.fixed.length <= LONGEST_TOLD_LINE) return told;
  return { live: shortLine(told.live), fixed: shortLine(told.fixed) };
}

function shortLine(line: string): string {
  return line.length <= LONGEST_TOLD_LINE ? line : `#${hash(line)}`;
}

/** Nothing as `-`; ASCII letters, digits and `._:/@+,-` as they are; everything else percent-encoded, so that lines stay ASCII. */
function plain(value: string | null): string {
  if (value === null) return '-';
  if (/^[\w.:/@+,-]+$/.test(value) && value !== '-') return value;
  let encoded = '';
  for (const byte of new TextEncoder().encode(value)) {
    const character = String.fromCharCode(byte);
    const safe = /[\w.:/@+,]/.test(character) || (character === '-' && value !== '-');
    encoded += safe ? character : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return encoded;
}

/** 64 bits in hex of an ASCII line: two FNV-1a with different starts, each finished as MurmurHash3 does. Not for secrets. */
function hash(line: string): string {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let index = 0; index < line.length; index++) {
    const code = line.charCodeAt(index);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b) ^ (low >>> 15);
  }
  return finish(low) + finish(high);
}

function finish(word: number): string {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0).toString(16).padStart(8, '0');
}
