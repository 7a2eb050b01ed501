import { InvalidInput } from '#domain/errors';
import { diagnose, worst } from '#domain/nas-doctor';
import {
  type Counted,
  type Finding,
  type FindingLevel,
  type Probe,
  type RouterEvidence,
  silentAfterMs,
} from '#domain/nas-evidence';
import { type ClockSkew, later, noCounts } from '#domain/nas-signs';
import { FALLBACK } from '#domain/policy';
import { printInstant } from '#domain/print';
import type { Policies } from '#domain/rollout';
import { say } from '#domain/say';
import { DAY, HOUR, type Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { noNasFault } from '#operations/static-line';
import type { Queryable } from '#storage/database';
import { findNas, type ListedNas, listNases } from '#storage/nas';
import {
  type CountedRouter,
  countedRouters,
  type Disconnects,
  disconnectsOf,
  type KnownRouter,
  knownRouters,
  type RouterSessions,
  sessionsOfRouters,
} from '#storage/nas-signs';
import { currentPolicies } from '#storage/policy';
import { anotherLiveSession } from '#storage/sessions';

/** One router of a NAS (of a block there are as many as speak) and what is found about it. */
export type CheckedRouter = {
  readonly address: string;
  /** NAS-Identifier; null = not heard. */
  readonly identity: string | null;
  readonly level: FindingLevel;
  readonly findings: readonly Finding[];
};

export type CheckedNas = {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  readonly level: FindingLevel;
  readonly routers: readonly CheckedRouter[];
};

/**
 * Asks the router of a NAS at this address, by a CoA-Request that only names a session, whether it hears us. `session` null:
 * none is open there, so one is named that nobody has. Changes nothing; never throws for what the network does.
 */
export type NasProbe = (router: {
  readonly nasId: number;
  readonly address: string;
  readonly session: { readonly username: string; readonly acctSessionId: string } | null;
}) => Promise<Probe>;

/** `when` says instants as the reader does; in the company's zone unless given. */
type Asked = Pick<Desk, 'db' | 'clock' | 'zone'> & { readonly when?: (at: Instant) => string };

/** A router of a block that has not spoken for so long is no router of it any more. */
const FORGOTTEN_MS = 30 * DAY;

/**
 * What the RADIUS side can prove about one NAS by name or id, or about all of them: by what every node has seen in the last
 * day, and with `probe` by what their routers answer now.
 *
 * @throws InvalidInput for no such NAS
 */
export async function checkNas(
  { db, clock, zone, when = (at) => printInstant(at, zone) }: Asked,
  by: { readonly name: string } | { readonly id: number } | null,
  probe: NasProbe | null = null,
): Promise<CheckedNas[]> {
  const at = clock();
  const chosen = by === null ? null : await findNas(db, by);
  if (by !== null && chosen === null) {
    const names = (await listNases(db, [])).map(({ name }) => name);
    throw new InvalidInput([noNasFault('name' in by ? by.name : String(by.id), names)]);
  }
  const id = chosen?.id ?? null;
  const askedSeconds = interimsOf(await currentPolicies(db, zone));
  const seen: Seen = {
    known: await knownRouters(db, id),
    lastHour: await countedRouters(db, id, at - HOUR),
    lastDay: await countedRouters(db, id, at - DAY),
    sessions: await sessionsOfRouters(db, id, at, silentAfterMs(askedSeconds)),
    disconnects: await disconnectsOf(db, id, at - DAY, at),
  };
  const nases = chosen === null ? await listNases(db, []) : [chosen];
  const common = { at, when, askedSeconds };
  return Promise.all(nases.map((nas) => checked(nas, seen, common, probe, db)));
}

type Seen = {
  readonly known: readonly KnownRouter[];
  readonly lastHour: readonly CountedRouter[];
  readonly lastDay: readonly CountedRouter[];
  readonly sessions: readonly RouterSessions[];
  readonly disconnects: readonly Disconnects[];
};

type Common = Pick<RouterEvidence, 'at' | 'when' | 'askedSeconds'>;

async function checked(
  nas: ListedNas,
  seen: Seen,
  common: Common,
  probe: NasProbe | null,
  db: Queryable,
): Promise<CheckedNas> {
  const routers = await Promise.all(
    addressesOf(nas, seen, common.at).map(async (address) => {
      const of = (one: { readonly nasId: number; readonly address: string | null }) =>
        one.nasId === nas.id && one.address === address;
      const known = seen.known.find(of);
      const evidence: RouterEvidence = {
        ...common,
        nas,
        known: known === undefined ? null : { ...known, skew: skewOf(known) },
        lastHour: seen.lastHour.find(of) ?? NOTHING,
        lastDay: seen.lastDay.find(of) ?? NOTHING,
        sessions: seen.sessions.find(of) ?? NO_SESSIONS,
        disconnects: seen.disconnects.find(of) ?? NO_DISCONNECTS,
        probe: probe === null ? null : await probed(probe, nas.id, address, db),
      };
      const findings = diagnose(evidence);
      return { address, identity: known?.identity ?? null, level: worst(findings), findings };
    }),
  );
  const { id, name, address } = nas;
  return { id, name, address, level: worst(routers), routers };
}

const NOTHING: Counted = { counts: noCounts(), gaps: [] };
const NO_SESSIONS = { live: 0, silent: 0, reported: 0, withoutAddress: 0, downloading: 0, uploading: 0 };
const NO_DISCONNECTS = { acknowledged: 0, survived: 0, redialled: 0 };

/** A NAS of one address is one router, heard or not; of a block those count that have spoken of late or hold a session. */
function addressesOf(nas: ListedNas, { known, sessions }: Seen, at: Instant): string[] {
  if (!nas.address.includes('/')) return [nas.address];
  const fresh = known.filter(({ authAt, acctAt, wrongAt, firstAt }) => {
    const lastAt = [authAt, acctAt, wrongAt].reduce(later, firstAt) ?? firstAt;
    return at - lastAt < FORGOTTEN_MS;
  });
  const own = [...fresh, ...sessions].filter(({ nasId }) => nasId === nas.id).map(({ address }) => address);
  return own.length === 0 ? [nas.address] : [...new Set(own)];
}

const skewOf = ({ skewMs, skewAt }: KnownRouter): ClockSkew | null =>
  skewMs === null || skewAt === null ? null : { ms: skewMs, at: skewAt };

async function probed(probe: NasProbe, nasId: number, address: string, db: Queryable): Promise<Probe> {
  if (address.includes('/'))
    return { is: 'not-sent', said: say`the address of its router is not known`, otherPort: null };
  const session = await anotherLiveSession(db, { nasId, nasAddress: address, sessionId: 0 });
  return probe({ nasId, address, session });
}

/** What the policies that lines are decided by ask for, shortest first (`radius/reply.ts`: never below a minute). */
function interimsOf({ current, rollout }: Policies): number[] {
  const rules = [...current.rules, ...(rollout?.policy.rules ?? [])];
  const asked = rules.flatMap(({ give }) => (give.access === 'denied' ? [] : [give.interimSeconds]));
  return [...new Set([FALLBACK.interimSeconds, ...asked].map((seconds) => Math.max(60, seconds)))].sort(
    (a, b) => a - b,
  );
}
