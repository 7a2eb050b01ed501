import { isIP } from 'node:net';
import { InvalidInput } from '#domain/errors';
import { printBytes, printInstant } from '#domain/print';
import { type Instant, MINUTE, parseInstant, SECOND } from '#domain/time';
import { type Drift, findDrift } from '#enforcement/sweep';
import { disconnectSession, disconnectSessionSchema } from '#operations/disconnect-session';
import { faultsOf } from '#operations/input';
import { type Command, type Given, type Office, textOf } from '#policy-server/cli/command';
import { enforcedNases } from '#policy-server/cli/explain';
import { type Column, table } from '#policy-server/cli/table';
import { loadEntries } from '#storage/facts';
import { sessionHistory as historyOf, type PastSession, whoHadAddress } from '#storage/history';
import { currentPolicies } from '#storage/policy';
import { type LiveSession, listSessions } from '#storage/sessions';

export const sessionList: Command = {
  name: 'session list',
  summary: 'List the live sessions',
  options: {
    drift: { value: 'flag', help: 'only those that should be otherwise than they are' },
    username: { value: 'USERNAME', help: 'only those of this user name' },
    nas: { value: 'NAME', help: 'only those on this NAS' },
    limit: { value: 'NUMBER', help: 'at most so many (100)' },
  },
  check: (given) => (limitOf(given) === null ? [LIMIT_FAULT] : []),
  run: async (office, given) => {
    const nases = await enforcedNases(office);
    const nasName = (id: number) => nases.get(id)?.name ?? `NAS ${id}`;
    const rows = await listed(office, given, nases);
    const drift = given.options.drift === true;
    const text = table(rows, columns(office, nasName, drift), whenEmpty(given, drift));
    return { text, json: rows.map((row) => ({ ...row, nas: nasName(row.nasId) })) };
  },
};

const LIMIT_FAULT = '--limit is no number; give one from 1 to 100000, for example 100';

function limitOf(given: Given): number | null {
  const text = textOf(given, 'limit') ?? '100';
  const limit = Number(text);
  return /^\d{1,6}$/.test(text) && limit >= 1 && limit <= 100_000 ? limit : null;
}

/** A live session and, where it was compared, what would have to be done about it. */
type Listed = LiveSession & { readonly drift: string | null };

async function listed(
  office: Office,
  given: Given,
  nases: Awaited<ReturnType<typeof enforcedNases>>,
): Promise<Listed[]> {
  const limit = limitOf(given)!;
  const username = textOf(given, 'username');
  const nasId = nasIdOf(nases, textOf(given, 'nas'));
  const filter = { ...(username === undefined ? {} : { username }), ...(nasId === null ? {} : { nasId }) };
  if (given.options.drift !== true) {
    const sessions = await listSessions(office.db, { ...filter, limit });
    return sessions.map((session) => ({ ...session, drift: null }));
  }
  const { db, sealer, zone, clock } = office;
  const policies = await currentPolicies(db, zone);
  const loadSome = (ids: readonly number[]) => loadEntries(db, sealer, ids);
  const found: Listed[] = [];
  for await (const drift of findDrift({ db, loadEntries: loadSome, policies, nases, at: clock(), filter })) {
    found.push({ ...drift.session, drift: driftWords(drift) });
    if (found.length >= limit) break;
  }
  return found;
}

function driftWords({ is, reason, survivedDisconnects }: Drift): string {
  const often = survivedDisconnects > 1 ? `; it outlived ${survivedDisconnects} acknowledged disconnects` : '';
  return `${is}: ${reason}${often}`;
}

function nasIdOf(nases: ReadonlyMap<number, { readonly name: string }>, name: string | undefined): number | null {
  if (name === undefined) return null;
  for (const [id, nas] of nases) if (nas.name === name) return id;
  const names = [...nases.values()].map((nas) => nas.name).join(', ');
  throw new InvalidInput([`there is no NAS "${name}"; there are: ${names || 'none yet'}`]);
}

function columns(office: Office, nasName: (id: number) => string, drift: boolean): Column<Listed>[] {
  const { zone, clock } = office;
  const now = clock();
  const shared: Column<Listed>[] = [
    { title: 'USERNAME', cell: (row) => row.username },
    { title: 'NAS', cell: (row) => nasName(row.nasId) },
    { title: 'ROUTER', cell: (row) => row.nasAddress },
    { title: 'ADDRESS', cell: (row) => row.framedIp ?? '-' },
    { title: 'SINCE', cell: (row) => printInstant(row.startedAt, zone) },
    { title: 'HEARD', cell: (row) => ago(row.heardAt, now), align: 'right' },
  ];
  if (drift) return [...shared, { title: 'SHOULD BE', cell: (row) => row.drift ?? '' }];
  return [
    ...shared,
    { title: 'DOWN', cell: (row) => printBytes(row.downBytes), align: 'right' },
    { title: 'UP', cell: (row) => printBytes(row.upBytes), align: 'right' },
    { title: 'TOLD', cell: (row) => row.told?.live ?? 'not known' },
  ];
}

function whenEmpty(given: Given, drift: boolean): string {
  if (drift) return 'No session is otherwise than it should be.';
  if (given.options.username !== undefined || given.options.nas !== undefined) return 'No live session of that kind.';
  return 'No live session. One appears when a router sends its accounting: gerbang nas script NAME prints its set-up.';
}

function ago(at: Instant, now: Instant): string {
  const seconds = Math.max(0, Math.round((now - at) / SECOND));
  return seconds < 120 ? `${seconds} s ago` : `${Math.round((seconds * SECOND) / MINUTE)} min ago`;
}

export const sessionHistory: Command = {
  name: 'session history',
  summary: 'List the sessions of a user name, newest first',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  run: async (office, given) => {
    const [username] = given.words as [string];
    const sessions = await historyOf(office.db, username);
    const text = table(sessions, await pastColumns(office), `No session of "${username}" is on record.`);
    return { text, json: sessions };
  },
};

export const sessionWho: Command = {
  name: 'session who',
  summary: 'Say who had an address at an instant',
  positionals: [{ name: 'ADDRESS', help: 'an IP address that a subscriber had' }],
  options: { at: { value: 'ISO', help: 'at that instant; now if not given' } },
  check: (given, zone) => whoFaults(given, zone),
  run: async (office, given) => {
    const [address] = given.words as [string];
    const text = textOf(given, 'at');
    const at = text === undefined ? office.clock() : parseInstant(text, office.zone)!;
    const sessions = await whoHadAddress(office.db, address, at);
    const none = `Nobody is on record with ${address} at ${printInstant(at, office.zone)}.`;
    return { text: table(sessions, await pastColumns(office), none), json: sessions };
  },
};

function whoFaults(given: Given, zone: string): string[] {
  const faults: string[] = [];
  const [address] = given.words;
  if (address !== undefined && isIP(address) === 0)
    faults.push(`"${address}" is no IP address; give one, for example 100.64.10.7`);
  const at = textOf(given, 'at');
  if (at !== undefined && parseInstant(at, zone) === null) {
    faults.push('--at is no instant; give an ISO time with its offset, or a date, for example 2026-12-01T18:00+07:00');
  }
  return faults;
}

async function pastColumns(office: Office): Promise<Column<PastSession>[]> {
  const nases = await enforcedNases(office);
  const { zone } = office;
  return [
    { title: 'USERNAME', cell: (row) => row.username },
    { title: 'ADDRESS', cell: (row) => row.framedIp ?? '-' },
    { title: 'MAC', cell: (row) => row.mac ?? '-' },
    { title: 'NAS', cell: (row) => nases.get(row.nasId)?.name ?? `NAS ${row.nasId}` },
    { title: 'FROM', cell: (row) => printInstant(row.startedAt, zone) },
    { title: 'TO', cell: (row) => (row.endedAt === null ? 'still on' : printInstant(row.endedAt, zone)) },
    { title: 'DOWN', cell: (row) => printBytes(row.downBytes), align: 'right' },
    { title: 'UP', cell: (row) => printBytes(row.upBytes), align: 'right' },
    { title: 'ENDED BY', cell: (row) => row.cause ?? '-' },
  ];
}

export const sessionDisconnect: Command = {
  name: 'session disconnect',
  summary: 'End the live sessions of a subscriber, who may dial again at once',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  options: {
    reason: { value: 'TEXT', help: 'why: it is kept in the audit', required: true },
    session: { value: 'NUMBER', help: 'only this one: sessionId of session list --json' },
  },
  check: (given) => faultsOf(disconnectSessionSchema, disconnectInput(given)),
  run: async (desk, given) => {
    const { sessions } = await disconnectSession(desk, disconnectInput(given));
    const [username] = given.words;
    const asked = sessions === 1 ? 'The router of 1 session' : `The routers of ${sessions} sessions`;
    const text = `${asked} of ${username} ${sessions === 1 ? 'is' : 'are'} asked to end it.\nWhat came of it: gerbang session list --username ${username}`;
    return { text, json: { username, sessions } };
  },
};

const disconnectInput = (given: Given) => ({
  username: given.words[0],
  reason: textOf(given, 'reason'),
  session: textOf(given, 'session'),
});
