/**
 * What an edit of the policy would do to subscribers and their live sessions, before it does. Each line (a subscriber at a
 * router) is decided by the policy it has and by the edited one, now and, edge by edge, through the next 24 hours.
 */
import { decide, termsAt } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import { FALLBACK, type Policy } from '#domain/policy';
import { type Action, isEndWanted, type ObservedSession, reconcile, toldOf } from '#domain/reconcile';
import { sameTerms, type Terms } from '#domain/terms';
import { HOUR, type Instant } from '#domain/time';

/** Attributes as a router is told them: dictionary name → printed value, in sending order. */
export type ToldAttributes = readonly (readonly [name: string, value: string])[];

/** What of a subscriber's line is in an Access-Accept beside the decision. */
export type RepliedLine = {
  readonly mac: string | null;
  readonly sessionLimit: number;
  readonly staticIp: string | null;
  readonly framedIpv6Prefix: string | null;
  readonly delegatedIpv6Prefix: string | null;
};

/** Port to the words of routers: what a dial at `at` would be told; none where the decision denies. */
export type ReplyOf = (decision: Decision, line: RepliedLine, nas: Facts['nas'], at: Instant) => ToldAttributes;

/** What an edit would do to all subscribers and all live sessions. */
export type Impact = {
  /** The revision it would take the place of. */
  readonly revision: { readonly from: number };
  /** The instant it was worked out for. */
  readonly at: Instant;
  /** `changed`: those who would get other terms now. */
  readonly subscribers: { readonly total: number; readonly changed: number };
  /** What the edit itself would have done to live sessions; what is due without it does not count. */
  readonly sessions: ActCounts & { readonly total: number };
  /** Addresses of static lines, and those of them whose address-list would be another. */
  readonly addresses: { readonly total: number; readonly moved: number };
  /** Who would get what in place of what, the largest group first. */
  readonly groups: readonly ImpactGroup[];
  /** NASes with something to be told, the one that takes longest first. */
  readonly perNas: readonly NasImpact[];
  /** Seconds until the last session is told, when routers answer: the slowest router, or the pace of the rollout. */
  readonly expectedSeconds: number;
  /** Those who change only as time passes: a night boost changes nobody at noon. */
  readonly later: {
    /** Hour by hour from `at`: subscribers with other terms at some time of it, those changed now included. */
    readonly within24h: readonly { readonly changed: number }[];
    /** Subscribers who do not change now, but would within 24 hours. */
    readonly changed: number;
    /** The first change of each of them, as `groups`; `act`s are of sessions that are live now. */
    readonly groups: readonly ImpactGroup[];
  };
  readonly tookMs: number;
};

export type ActCounts = { readonly keep: number; readonly coa: number; readonly disconnect: number };

/** Lines that would get the same in place of the same by the same rules. */
export type ImpactGroup = {
  readonly before: GroupTerms;
  readonly after: GroupTerms;
  /** Subscribers. One with sessions at two routers that a rule tells apart is in two groups. */
  readonly count: number;
  /** Their live sessions, and what these would be sent: the gravest is `act`. */
  readonly sessions: number;
  readonly coa: number;
  readonly disconnect: number;
  readonly act: Action['do'];
  /** When the change begins; of a group that changes later, for the first of them. */
  readonly at: Instant;
  /** At most five, by subscriber number. */
  readonly samples: readonly ImpactSample[];
};

/** Terms of a group; in attribute values the subscriber's user name is `{username}` and the router's name `{nas}`. */
export type GroupTerms = Terms & {
  /** The rule that gives them; null where none speaks. */
  readonly rule: string | null;
};

export type ImpactSample = {
  readonly subscriberId: number;
  readonly username: string;
  /** The router of the session, else of the static address; null = is at none. */
  readonly nas: string | null;
  /** What a dial would be told; empty = Access-Reject. */
  readonly before: ToldAttributes;
  readonly after: ToldAttributes;
};

export type NasImpact = {
  readonly nasId: number;
  readonly name: string;
  readonly coa: number;
  readonly disconnect: number;
  /** At the pace it is entered with; of a block of addresses, its busiest router. */
  readonly seconds: number;
};

/** A router, as far as a decision and the time it takes depend on it. */
export type ImpactNas = NonNullable<Facts['nas']> & { readonly coaPerSecond: number };

/** A live session with the router that holds it: of a NAS that is a block each address has a pace of its own. */
export type ImpactSession = ObservedSession & { readonly nasAddress: string };

export type ImpactInput = {
  /** The policy a subscriber has now: in a rollout not everybody has the same. */
  readonly current: (subscriberId: number) => Policy;
  readonly edited: Policy;
  readonly nases: ReadonlyMap<number, ImpactNas>;
  readonly at: Instant;
  /** Sessions a second that the rollout tells at most. */
  readonly perSecond: number;
};

/** A sample whose attributes are still to be asked for. */
export type OpenSample = {
  readonly facts: Facts;
  readonly before: Decision;
  readonly after: Decision;
  readonly at: Instant;
};

/** A group before its samples are told anything. */
export type OpenGroup = Omit<ImpactGroup, 'samples'> & { readonly samples: readonly OpenSample[] };

const MOST_SAMPLES = 5;
const HOURS = 24;
/** Stretches looked at of one subscriber's day: a policy of many short windows must not make the plan endless. */
const MOST_STRETCHES = 500;

/**
 * Adds up what an edit would do, one subscriber after another, in the order of their numbers. Pure.
 *
 * The day ahead is walked from bound to bound: what both policies give holds until the earlier of their bounds, so each
 * stretch is exact. It takes usage as standing still.
 */
export class ImpactTally {
  readonly #input: ImpactInput;
  readonly #subscribers = { total: 0, changed: 0 };
  readonly #sessions = { total: 0, keep: 0, coa: 0, disconnect: 0 };
  readonly #addresses = { total: 0, moved: 0 };
  readonly #groups = new Map<string, Growing>();
  readonly #laterGroups = new Map<string, Growing>();
  readonly #routers = new Map<string, { nasId: number; coa: number; disconnect: number }>();
  readonly #hours = new Array<number>(HOURS).fill(0);
  #changedLater = 0;

  constructor(input: ImpactInput) {
    this.#input = input;
  }

  /** One subscriber, with the live sessions and the number of static addresses at each NAS. */
  add(facts: Facts, sessions: readonly ImpactSession[], addresses: ReadonlyMap<number, number>): void {
    this.#subscribers.total += 1;
    this.#sessions.total += sessions.length;
    const policy = this.#input.current(facts.subscriberId);
    const [first, ...others] = nasIdsOf(sessions, addresses);
    const pair = this.#pair(facts, policy, first ?? null);
    let changed = this.#now(pair, first ?? null, sessions, addresses);
    for (const nasId of others)
      changed = this.#now(this.#pair(facts, policy, nasId), nasId, sessions, addresses) || changed;
    if (changed) this.#subscribers.changed += 1;
    this.#ahead(pair, changed, sessions);
  }

  /** Sessions that belong to no subscriber: no policy speaks of them. */
  addStrangers(count: number): void {
    this.#sessions.total += count;
    this.#sessions.keep += count;
  }

  /** The sum, but for what samples are told and how long it took. */
  result() {
    const perNas = this.#perNas();
    const { coa, disconnect } = this.#sessions;
    const paced = Math.ceil((coa + disconnect) / this.#input.perSecond);
    return {
      at: this.#input.at,
      subscribers: this.#subscribers,
      sessions: this.#sessions,
      addresses: this.#addresses,
      groups: closed(this.#groups),
      perNas,
      expectedSeconds: Math.max(paced, ...perNas.map(({ seconds }) => seconds)),
      later: {
        within24h: this.#hours.map((changed) => ({ changed })),
        changed: this.#changedLater,
        groups: closed(this.#laterGroups),
      },
    };
  }

  #pair(facts: Facts, policy: Policy, nasId: number | null): Pair {
    const { edited, nases, at } = this.#input;
    const nas = nasId === null ? undefined : nases.get(nasId);
    const there = nas === undefined ? facts : { ...facts, nas };
    return { facts: there, policy, before: termsAt(there, policy, at), after: termsAt(there, edited, at) };
  }

  /** What changes at once at one NAS (null: the subscriber is at none); whether anything does. */
  #now(
    pair: Pair,
    nasId: number | null,
    sessions: readonly ImpactSession[],
    addresses: ReadonlyMap<number, number>,
  ): boolean {
    const count = nasId === null ? 0 : (addresses.get(nasId) ?? 0);
    this.#addresses.total += count;
    const [was, is] = [pair.before.terms, pair.after.terms];
    const changed = !sameTerms(was, is);
    if (changed && listOf(was) !== listOf(is)) this.#addresses.moved += count;
    const group = changed ? this.#grown(this.#groups, pair, this.#input.at) : null;
    for (const session of sessions) {
      if (session.nasId !== nasId) continue;
      const act = group === null ? 'keep' : this.#actOn(session, group, pair);
      this.#sessions[act] += 1;
      if (group !== null) counted(group, act);
      if (act !== 'keep') this.#told(session, act);
    }
    return changed;
  }

  /** What a session that is to be ended anyway is sent is not the edit's doing. */
  #actOn(session: ImpactSession, group: Growing, { facts, after }: Pair): Action['do'] {
    const { at } = this.#input;
    if (group.actLater === 'keep' || (session.endAsked !== null && isEndWanted(session.endAsked, at))) return 'keep';
    return reconcile(after.terms, [session], at, facts.nas?.vendor)[0]!.do;
  }

  #told({ nasId, nasAddress }: ImpactSession, act: 'coa' | 'disconnect'): void {
    const key = `${nasId} ${nasAddress}`;
    let router = this.#routers.get(key);
    if (router === undefined) {
      router = { nasId, coa: 0, disconnect: 0 };
      this.#routers.set(key, router);
    }
    router[act] += 1;
  }

  /** The day ahead of one subscriber, at the first of their routers. */
  #ahead(pair: Pair, changedNow: boolean, sessions: readonly ImpactSession[]): void {
    const { at, edited } = this.#input;
    const { facts, policy } = pair;
    const end = at + HOURS * HOUR;
    let { before, after } = pair;
    let hours = 0;
    let first = !changedNow;
    let from = at;
    for (let stretches = 0; stretches < MOST_STRETCHES; stretches++) {
      const until = Math.min(before.until, after.until, end);
      if (!sameTerms(before.terms, after.terms)) {
        hours |= hoursBetween(from - at, until - at);
        if (first) this.#later({ facts, policy, before, after }, sessions, from);
        first = false;
      }
      if (until === end) break;
      if (before.until === until) before = termsAt(facts, policy, until);
      if (after.until === until) after = termsAt(facts, edited, until);
      from = until;
    }
    for (let hour = 0; hours >>> hour !== 0; hour++) this.#hours[hour]! += (hours >>> hour) & 1;
  }

  /** By then each session has been told what the policy it has decides. */
  #later(pair: Pair, sessions: readonly ImpactSession[], at: Instant): void {
    this.#changedLater += 1;
    const group = this.#grown(this.#laterGroups, pair, at);
    for (const { endingSince } of sessions) counted(group, endingSince === null ? group.actLater : 'keep');
  }

  /** The group of a pair, with this subscriber in it. */
  #grown(groups: Map<string, Growing>, pair: Pair, at: Instant): Growing {
    const { facts, before, after } = pair;
    const key = `${keyOf(before, facts)}\n${keyOf(after, facts)}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = begun(pair, at);
      groups.set(key, group);
    }
    if (at < group.at) group.at = at;
    if (group.newest === facts.subscriberId) return group;
    group.newest = facts.subscriberId;
    group.count += 1;
    if (group.samples.length < MOST_SAMPLES)
      group.samples.push({
        facts,
        before: decide(facts, pair.policy, at),
        after: decide(facts, this.#input.edited, at),
        at,
      });
    return group;
  }

  #perNas(): NasImpact[] {
    const perNas = new Map<number, { -readonly [Key in keyof NasImpact]: NasImpact[Key] }>();
    for (const { nasId, coa, disconnect } of this.#routers.values()) {
      const nas = this.#input.nases.get(nasId);
      const sum = perNas.get(nasId) ?? { nasId, name: nas?.name ?? `NAS ${nasId}`, coa: 0, disconnect: 0, seconds: 0 };
      sum.coa += coa;
      sum.disconnect += disconnect;
      sum.seconds = Math.max(sum.seconds, Math.ceil((coa + disconnect) / (nas?.coaPerSecond ?? 1)));
      perNas.set(nasId, sum);
    }
    return [...perNas.values()].sort((a, b) => b.seconds - a.seconds || b.coa + b.disconnect - a.coa - a.disconnect);
  }
}

type Settled = ReturnType<typeof termsAt>;

/** One subscriber at one router, by the policy they have and by the edited one. */
type Pair = { readonly facts: Facts; readonly policy: Policy; readonly before: Settled; readonly after: Settled };

/** A group while it is added to. `actLater`: what a session is sent that was told what was decided before. */
type Growing = { -readonly [Key in keyof Omit<OpenGroup, 'act'>]: OpenGroup[Key] } & {
  samples: OpenSample[];
  readonly actLater: Action['do'];
  newest: number;
};

function begun({ facts, before, after }: Pair, at: Instant): Growing {
  const vendor = facts.nas?.vendor;
  const told = toldOf(before.terms, vendor);
  const session = { sessionId: 0, nasId: 0, told, endingSince: null, endAsked: null };
  const denied = before.terms.access === 'denied' && after.terms.access === 'denied';
  return {
    before: groupTerms(before, facts),
    after: groupTerms(after, facts),
    count: 0,
    sessions: 0,
    coa: 0,
    disconnect: 0,
    at,
    samples: [],
    actLater: denied ? 'keep' : reconcile(after.terms, [session], at, vendor)[0]!.do,
    newest: 0,
  };
}

/** The NASes at which something of a subscriber is, those of sessions first. */
function nasIdsOf(sessions: readonly ImpactSession[], addresses: ReadonlyMap<number, number>): readonly number[] {
  if (addresses.size === 0 && sessions.length < 2) return sessions.map(({ nasId }) => nasId);
  return [...new Set([...sessions.map(({ nasId }) => nasId), ...addresses.keys()])];
}

/** A bit for each hour touched by a stretch that begins and ends so many milliseconds from now. */
function hoursBetween(fromMs: number, untilMs: number): number {
  const [first, behind] = [Math.floor(fromMs / HOUR), Math.ceil(untilMs / HOUR)];
  return (2 ** behind - 1) & ~(2 ** first - 1);
}

/** As enforcement does: a static line that is denied is walled, for in no list it were free. */
const listOf = (terms: Terms): string => terms.addressList ?? FALLBACK.addressList;

function counted(group: Growing, act: Action['do']): void {
  group.sessions += 1;
  if (act !== 'keep') group[act] += 1;
}

const groupTerms = ({ terms, rule }: Settled, facts: Facts): GroupTerms => ({
  ...terms,
  attributes: generalised(terms, facts),
  rule,
});

function generalised({ attributes }: Terms, { username, nas }: Facts): Terms['attributes'] {
  return attributes.map(([name, value]) => {
    const text = value.replaceAll(username, '{username}');
    return [name, nas === null ? text : text.replaceAll(nas.name, '{nas}')];
  });
}

function keyOf({ rule, terms }: Settled, facts: Facts): string {
  const { access, rate, addressList, profile, pool, idleSeconds, interimSeconds, attributes } = terms;
  let key = `${rule}\t${access}\t${addressList}\t${profile}\t${pool}\t${idleSeconds}\t${interimSeconds}`;
  if (rate !== null) key += `\t${rate.downloadBps}/${rate.uploadBps}`;
  if (rate !== null && rate.burst !== null) key += JSON.stringify(rate.burst);
  if (attributes.length > 0) key += JSON.stringify(generalised(terms, facts));
  return key;
}

/** Largest first. */
function closed(groups: ReadonlyMap<string, Growing>): OpenGroup[] {
  return [...groups.values()]
    .sort((a, b) => b.count - a.count || a.at - b.at)
    .map(({ newest: _, actLater: __, ...group }) => ({ ...group, act: gravest(group) }));
}

const gravest = ({ coa, disconnect }: Pick<ImpactGroup, 'coa' | 'disconnect'>): Action['do'] =>
  disconnect > 0 ? 'disconnect' : coa > 0 ? 'coa' : 'keep';
