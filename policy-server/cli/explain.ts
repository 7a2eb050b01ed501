import { usedInForce } from '#domain/condition';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import { InvalidInput } from '#domain/errors';
import type { UsagePeriod } from '#domain/policy';
import { printBecause, printBytes, printInstant, printOutcome, printRate, printValidity } from '#domain/print';
import { policyFor } from '#domain/rollout';
import { type Instant, parseInstant } from '#domain/time';
import { assess, type EnforcedNas } from '#enforcement/assess';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { type Command, type Given, type Office, textOf } from '#policy-server/cli/command';
import { card, table } from '#policy-server/cli/table';
import { replyAttributes } from '#radius/reply';
import { type LoadedEntry, loadEntries } from '#storage/facts';
import { grantsOf, type ListedGrant } from '#storage/grants';
import { listNases } from '#storage/nas';
import { currentPolicies } from '#storage/policy';
import { type LiveSession, liveSessions } from '#storage/sessions';
import { staticAddressesOf } from '#storage/static-addresses';
import { type FoundSubscriber, findSubscriber } from '#storage/subscribers';

export const explain: Command = {
  name: 'explain',
  summary: 'Say what a subscriber gets, why, and what the router is told; changes nothing',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  options: {
    at: { value: 'ISO', help: 'at that instant, with what is stored now; now if not given' },
    nas: { value: 'NAME', help: 'for a dial at this NAS; for one at no NAS of ours, a MikroTik, if not given' },
  },
  check: (given, zone) => (atOf(given, zone, 0) === null ? [AT_FAULT] : []),
  run: async (office, given) => {
    const at = atOf(given, office.zone, office.clock());
    if (at === null) throw new InvalidInput([AT_FAULT]);
    const found = await explanation(office, given.words[0]!, textOf(given, 'nas'), at);
    return { text: inWords(found, office.zone), json: asJson(found) };
  },
};

const AT_FAULT = '--at is no instant; give an ISO time with its offset, or a date, for example 2026-12-01T18:00+07:00';

function atOf(given: Given, zone: string, now: Instant): Instant | null {
  const text = textOf(given, 'at');
  return text === undefined ? now : parseInstant(text, zone);
}

type Explanation = {
  readonly at: Instant;
  readonly subscriber: FoundSubscriber;
  readonly entry: LoadedEntry;
  readonly grants: readonly ListedGrant[];
  /** Where the dial is made; null = at no NAS of ours. */
  readonly nas: EnforcedNas | null;
  readonly decision: Decision;
  readonly sessions: readonly ExplainedSession[];
  readonly addresses: readonly ExplainedAddress[];
};

/** An address of a static line, the list it has to be in and the one its router has it in. */
type ExplainedAddress = {
  readonly address: string;
  readonly nas: string;
  readonly wanted: string | null;
  readonly told: string | null;
};

/** A live session, what is decided for it on its NAS, and what would be sent to it. */
type ExplainedSession = {
  readonly session: LiveSession;
  readonly nas: string;
  readonly decision: Decision;
  readonly action: string;
  readonly reason: string;
};

async function explanation(
  office: Office,
  username: string,
  nasName: string | undefined,
  at: Instant,
): Promise<Explanation> {
  const { db, sealer } = office;
  const subscriber = (await findSubscriber(db, username)) ?? noSuchSubscriber(username);
  const [entries, grants, policies, nases, live, fixed] = await Promise.all([
    loadEntries(db, sealer, [subscriber.id]),
    grantsOf(db, subscriber.id),
    currentPolicies(db, office.zone),
    enforcedNases(office),
    liveSessions(db, [subscriber.id]),
    staticAddressesOf(db, [subscriber.id]),
  ]);
  const entry = entries[0] ?? noSuchSubscriber(username);
  const policy = policyFor(policies, subscriber.id);
  const nas = nasName === undefined ? null : nasNamed(nases, nasName);
  const decision = decide({ ...entry.facts, nas }, policy, at);
  const { steps, lists } = assess(entry.facts, live, fixed, policy, nases, at);
  const nameOf = (nasId: number) => nases.get(nasId)?.name ?? `NAS ${nasId}`;
  return {
    at,
    subscriber,
    entry,
    grants,
    nas,
    decision,
    sessions: steps.map(({ session, decision, action }) => ({
      session,
      nas: nameOf(session.nasId),
      decision,
      action: action.do,
      reason: action.reason,
    })),
    addresses: lists.map(({ address: { address, nasId, toldList }, list }) => ({
      address,
      nas: nameOf(nasId),
      wanted: list,
      told: toldList,
    })),
  };
}

export async function enforcedNases({ db }: Office): Promise<Map<number, EnforcedNas>> {
  const nases = await listNases(db);
  return new Map(nases.map(({ id, name, tags, vendor, coaPerSecond }) => [id, { name, tags, vendor, coaPerSecond }]));
}

function nasNamed(nases: ReadonlyMap<number, EnforcedNas>, name: string): EnforcedNas {
  const all = [...nases.values()];
  const names = all.map((one) => one.name).join(', ') || 'none yet; add one with: nas add';
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new InvalidInput([`there is no NAS "${name}"; there are: ${names}`]);
  return found;
}

function inWords(
  { at, subscriber, entry, grants, nas, decision, sessions, addresses }: Explanation,
  zone: string,
): string {
  const { facts, line } = entry;
  const who = subscriber.name === '' ? facts.username : `${facts.username}, ${subscriber.name}`;
  const lines: [string, string][] = [
    ['Subscriber', `${who} (${facts.billing}, number ${facts.subscriberId})`],
    ['Suspended', facts.suspendedSince === null ? 'no' : `since ${printInstant(facts.suspendedSince, zone)}`],
    ['Charged', `${printBytes(facts.chargedBytes)} in all${usedWords(facts, zone, at)}`],
    ['Line', lineWords(line)],
    ['Tags', facts.tags.join(', ') || 'none'],
    ['', ''],
    [`At ${printInstant(at, zone)}`, printOutcome(decision)],
    ['Holds', printValidity(decision, zone)],
    ['Because', printBecause(decision, zone)],
  ];
  const attributes = replyAttributes(decision, line, at, nas?.vendor);
  return [
    card(lines),
    '',
    grantsTable(grants, at, zone),
    '',
    attributes.length === 0
      ? 'A dial is answered with Access-Reject.'
      : `A dial${nas === null ? '' : ` at ${nas.name}`} is answered with Access-Accept and:`,
    ...(attributes.length === 0 ? [] : [card(attributes.map(([name, value]) => [`  ${name}`, value]))]),
    '',
    ...addresses.map(addressWords),
    ...(addresses.length > 0 && sessions.length === 0 ? [] : sessionsWords(sessions, zone)),
  ].join('\n');
}

function lineWords(line: LoadedEntry['line']): string {
  const parts = [line.mac === null ? 'any device' : `only ${line.mac}`];
  parts.push(line.sessionLimit === 1 ? 'one session' : `${line.sessionLimit} sessions`);
  if (line.staticIp !== null) parts.push(`address ${line.staticIp}`);
  if (line.framedIpv6Prefix !== null) parts.push(`IPv6 ${line.framedIpv6Prefix}`);
  if (line.delegatedIpv6Prefix !== null) parts.push(`delegated ${line.delegatedIpv6Prefix}`);
  return parts.join(', ');
}

function grantsTable(grants: readonly ListedGrant[], at: Instant, zone: string): string {
  return table(
    grants.slice(0, 10),
    [
      { title: 'GRANT', cell: (grant) => String(grant.id), align: 'right' },
      { title: 'PLAN', cell: (grant) => grant.plan },
      { title: 'FROM', cell: (grant) => printInstant(grant.from, zone) },
      { title: 'UNTIL', cell: (grant) => printInstant(grant.revokedAt ?? grant.until, zone) },
      { title: 'USED', cell: (grant) => usedOf(grant), align: 'right' },
      { title: 'STATE', cell: (grant) => stateOf(grant, at) },
    ],
    'No grant yet. Give one: gerbang grant add --username USERNAME --plan PLAN',
  );
}

/** `, 2 GB today, 5 GB this week, 5 GB this month`, of the grants in force; what rules with a period look at. */
function usedWords(facts: LoadedEntry['facts'], zone: string, at: Instant): string {
  if (facts.grants.every(({ metered }) => metered === null)) return '';
  const used = (every: UsagePeriod['every']) =>
    printBytes(usedInForce({ every, from: 'calendar' }, { facts, zone, at }));
  return `; by what is in force ${used('day')} today, ${used('week')} this week, ${used('month')} this month`;
}

function usedOf(grant: ListedGrant): string {
  const of = grant.allowanceBytes === null ? 'unlimited' : printBytes(grant.allowanceBytes);
  return `${printBytes(grant.usedBytes)} of ${of}`;
}

function stateOf(grant: ListedGrant, at: Instant): string {
  if (grant.revokedAt !== null && grant.revokedAt <= at) return 'revoked';
  if (grant.from > at) return 'to come';
  if (grant.until <= at) return 'ended';
  return grant.allowanceBytes !== null && grant.usedBytes >= grant.allowanceBytes ? 'spent' : 'in force';
}

function sessionsWords(sessions: readonly ExplainedSession[], zone: string): string[] {
  if (sessions.length === 0) return ['No live session: nothing would be sent.'];
  return sessions.map(({ session, nas, decision, action, reason }) => {
    const where = `Live on ${nas} since ${printInstant(session.startedAt, zone)}, ${session.framedIp ?? 'no address'}`;
    const act = action === 'keep' ? 'nothing would be sent' : `${ACTS[action] ?? action} would be sent`;
    const rate = decision.rate === null ? '' : ` (${printRate(decision.rate)}, ${decision.addressList})`;
    return `${where}: ${act}${action === 'coa' ? rate : ''}: ${reason}`;
  });
}

function addressWords({ address, nas, wanted, told }: ExplainedAddress): string {
  const is = `${address} on ${nas} is in ${told ?? 'no list of ours'}`;
  return wanted === told ? `${is}: as decided` : `${is}: has to be in ${wanted ?? 'none'}`;
}

const ACTS: Readonly<Record<string, string>> = { coa: 'a CoA', disconnect: 'a Disconnect' };

/** Without the password, which the entry holds. */
function asJson({ at, subscriber, entry, grants, nas, decision, sessions, addresses }: Explanation): unknown {
  const reply = replyAttributes(decision, entry.line, at, nas?.vendor);
  return { at, subscriber, facts: entry.facts, line: entry.line, grants, decision, reply, sessions, addresses };
}
