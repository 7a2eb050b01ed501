import { randomInt } from 'node:crypto';
import { InvalidInput } from '#domain/errors';
import { type Plan, type Rate, sameRate } from '#domain/plan';
import { say } from '#domain/say';
import { addPeriod, type Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { pppPassword } from '#operations/fields';
import { type LineFault, onLine } from '#operations/import-file';
import {
  type MikrotikImportOptions,
  type ParsedOptions,
  parseImportOptions,
} from '#operations/import-mikrotik-options';
import { type RouterExport, type RouterSecret, readRouterExport } from '#operations/router-secrets';
import { type ChangeTransaction, change } from '#storage/change';
import { type Queryable, violatedConstraint } from '#storage/database';
import { insertGrants, type NewGrant } from '#storage/grants';
import { type ListedPlan, listPlans } from '#storage/plans';
import { subscriberIdsByUsername, suspendAll, updateFromRouter } from '#storage/router-import';
import { subscriberPasswordAad } from '#storage/secrets';
import {
  insertSubscribers,
  lockLineAddresses,
  nextSubscriberIds,
  ownersOfAddresses,
  takenIdentities,
} from '#storage/subscribers';

/** What becomes of one secret. */
export type SecretFate = 'add' | 'update' | 'keep';

export type PreviewRow = {
  readonly line: number;
  readonly username: string;
  readonly name: string;
  readonly mac: string | null;
  readonly staticIp: string | null;
  readonly profile: string;
  readonly plan: string | null;
  readonly disabled: boolean;
  readonly fate: SecretFate;
  /** Where the password comes from; null = there is none yet. */
  readonly password: 'file' | 'generate' | 'same-as-name' | 'csv' | null;
};

export type PreviewProfile = {
  readonly name: string;
  /** How many of the secrets that are taken use it. */
  readonly secrets: number;
  /** Of `/ppp profile`, from the subscriber's side; null = no limit there, or the file does not say. */
  readonly rate: Rate | null;
  /** What it was mapped to. */
  readonly plan: string | null;
  /** Plans on sale with that very rate, for somebody to choose from. */
  readonly alike: readonly string[];
};

export type MikrotikPreview = {
  /** RouterOS version of the heading; null without one. */
  readonly version: string | null;
  /** Secrets in the file that can be taken. */
  readonly secrets: number;
  readonly add: number;
  readonly update: number;
  /** Exist already and stay as they are. */
  readonly keep: number;
  /** Of those added: disabled on the router. */
  readonly disabled: number;
  /** Left out because they are disabled and that was asked for. */
  readonly disabledLeftOut: number;
  /** Would be added if their password were known; one of the problems says so. */
  readonly withoutPassword: number;
  /** Of those added: without a grant they get what somebody without a package gets. */
  readonly withoutPlan: number;
  readonly otherServices: Readonly<Record<string, number>>;
  readonly profiles: readonly PreviewProfile[];
  /** The first rows, as many as a person reads. */
  readonly rows: readonly PreviewRow[];
  /** How many lines stay out because of a problem. */
  readonly leftOut: number;
  /** What cannot be taken, by line; nothing is imported while there is any, unless `leaveOut`. */
  readonly problems: readonly LineFault[];
  readonly notes: readonly LineFault[];
};

export type MikrotikImported = {
  readonly added: number;
  readonly updated: number;
  readonly kept: number;
  readonly grants: number;
  readonly suspended: number;
  /** Lines left out because of a problem. */
  readonly leftOut: number;
  /** The passwords made up here: the only time they are readable. */
  readonly generated: readonly { readonly username: string; readonly password: string }[];
};

const ROWS_SHOWN = 10;
/** Rows written by one statement. */
const ROWS_AT_ONCE = 2_000;

/**
 * Says what `applyMikrotikImport` would do with the text of a RouterOS export; changes nothing.
 *
 * @throws InvalidInput for options that cannot be; what is wrong in the file is in `problems`
 */
export async function previewMikrotikImport(
  desk: Desk,
  text: string,
  options: MikrotikImportOptions = {},
): Promise<MikrotikPreview> {
  const router = readRouterExport(text);
  const { rows, preview } = await weigh(desk.db, router, parseImportOptions(options, desk));
  return { ...preview, rows: rows.slice(0, ROWS_SHOWN).map(({ given: _given, ...row }) => row) };
}

/**
 * Takes the PPPoE secrets of a RouterOS export in: new subscribers with a grant where their profile is mapped to a plan,
 * and with `update` what the file says of those there are. All of it in one commit.
 *
 * @throws InvalidInput with every problem of the file (unless `leaveOut`), and for options that cannot be; nothing is changed then
 */
export async function applyMikrotikImport(
  desk: Desk,
  text: string,
  options: MikrotikImportOptions = {},
): Promise<MikrotikImported> {
  const router = readRouterExport(text);
  const parsed = parseImportOptions(options, desk);
  const detail: Record<string, unknown> = { routerOs: router.version };
  const why = { actor: desk.actor, why: 'import from router', detail };
  const work = async (tx: ChangeTransaction): Promise<MikrotikImported> => {
    await lockLineAddresses(tx);
    const { rows, plans, preview } = await weigh(tx, router, parsed);
    const lines = preview.problems.map(({ line, reason }) => onLine(line, reason));
    if (lines.length > 0 && !parsed.leaveOut) throw new InvalidInput(lines);
    const added = rows.filter((row) => row.fate === 'add' && row.password !== null);
    const updated = rows.filter((row) => row.fate === 'update');
    const generated: { username: string; password: string }[] = [];
    let grants = 0;
    for (const some of inParts(added)) grants += await addRows(tx, desk, some, parsed, plans, generated);
    for (const some of inParts(updated)) await updateRows(tx, desk, some);
    Object.assign(detail, { added: added.length, updated: updated.map((row) => row.username) });
    return {
      added: added.length,
      updated: updated.length,
      kept: preview.keep,
      grants,
      suspended: added.filter((row) => suspends(row, parsed)).length,
      leftOut: preview.leftOut,
      generated,
    };
  };
  try {
    return await change(desk.db, why, work);
  } catch (error) {
    if (!RACED.has(violatedConstraint(error) ?? '')) throw error;
    throw new InvalidInput([
      say`a user name or an address of the file was taken by somebody at this very moment; try again`,
    ]);
  }
}

/** What only somebody else's commit since we looked can violate. */
const RACED = new Set(['subscriber_username_key', 'subscriber_static_ip_key']);

type Row = PreviewRow & { readonly given: string | null };
type Weighed = {
  readonly rows: readonly Row[];
  readonly plans: ReadonlyMap<string, Plan>;
  readonly preview: Omit<MikrotikPreview, 'rows'>;
};

/** Sets the file against the options and against who is there already. */
async function weigh(q: Queryable, router: RouterExport, options: ParsedOptions): Promise<Weighed> {
  const listed = (await listPlans(q)).filter((plan) => !plan.retired);
  const plans = new Map<string, Plan>(listed.map((plan) => [plan.name, plan]));
  const broken = new Set(router.problems.map(({ line }) => line));
  const readable = router.secrets.filter(({ line }) => !broken.has(line));
  const wanted = readable.filter((secret) => !(secret.disabled && options.disabled === 'skip'));
  const addresses = wanted.flatMap((secret) => secret.staticIp ?? []);
  const taken = await takenIdentities(
    q,
    wanted.map((secret) => secret.username),
    addresses,
  );
  const ofStaticLines = new Map((await ownersOfAddresses(q, addresses)).map((one) => [one.given, one.username]));
  const rows: Row[] = [];
  refuseWrongMappings(router, options, plans);
  const problems: LineFault[] = [...router.problems];
  for (const secret of wanted) {
    const exists = taken.usernames.has(secret.username);
    const fate = !exists ? 'add' : options.update ? 'update' : 'keep';
    const address = secret.staticIp ?? '';
    const owner = taken.addresses.get(address) ?? ofStaticLines.get(address);
    if (fate !== 'keep' && owner !== undefined && owner !== secret.username) {
      problems.push({ line: secret.line, reason: say`remote-address ${secret.staticIp} belongs to ${owner} already` });
    } else rows.push({ ...rowOf(secret, options), fate, ...passwordOf(secret, fate, options) });
  }
  const lacking = rows.filter((row) => row.fate === 'add' && row.password === null);
  const added = rows.filter((row) => row.fate === 'add' && row.password !== null);
  if (lacking.length > 0) {
    const reason = say`passwords are missing (${lacking.length}, the first is here): export again with show-sensitive, or say where they come from`;
    problems.push({ line: lacking[0]!.line, reason });
  }
  return {
    rows,
    plans,
    preview: {
      version: router.version,
      secrets: readable.length,
      add: added.length,
      update: rows.filter((row) => row.fate === 'update').length,
      keep: rows.filter((row) => row.fate === 'keep').length,
      disabled: added.filter((row) => row.disabled).length,
      disabledLeftOut: readable.length - wanted.length,
      withoutPassword: lacking.length,
      leftOut: broken.size + (problems.length - router.problems.length) + Math.max(0, lacking.length - 1),
      withoutPlan: added.filter((row) => row.plan === null).length,
      otherServices: countBy(router.otherServices, ({ service }) => service),
      profiles: profilesOf(rows, router, options, listed),
      problems: problems.toSorted((one, other) => one.line - other.line),
      notes: router.notes,
    },
  };
}

function rowOf(secret: RouterSecret, options: ParsedOptions) {
  const { line, username, name, mac, staticIp, profile, disabled } = secret;
  return { line, username, name, mac, staticIp, profile, disabled, plan: options.plans.get(profile) ?? null };
}

/** A password that somebody uses is replaced only by one that the file or the list names, never by one made up. */
function passwordOf(
  secret: RouterSecret,
  fate: SecretFate,
  { passwordOf: source }: ParsedOptions,
): Pick<Row, 'password' | 'given'> {
  if (secret.password !== null) return { password: 'file', given: secret.password };
  if (typeof source === 'object' && source !== null) {
    const given = source.get(secret.username) ?? null;
    return { password: given === null ? null : 'csv', given };
  }
  if (source === null || fate !== 'add') return { password: null, given: null };
  if (source === 'generate') return { password: source, given: null };
  // RFC 2865 lets a user name be longer than a password.
  if (!pppPassword.safeParse(secret.username).success) return { password: null, given: null };
  return { password: source, given: secret.username };
}

function refuseWrongMappings(router: RouterExport, options: ParsedOptions, plans: ReadonlyMap<string, Plan>): void {
  const used = new Set(router.secrets.map((secret) => secret.profile));
  const offered = [...plans.keys()].slice(0, 20).join(', ') || say`none yet, add one with: plan add`;
  const profiles = [...used].slice(0, 20).join(', ') || 'none';
  const wrong = [...options.plans].flatMap(([profile, plan]) => [
    ...(used.has(profile) ? [] : [say`plan: no secret has the profile "${profile}"; there are: ${profiles}`]),
    ...(plans.has(plan) ? [] : [say`plan: there is no plan "${plan}"; there are: ${offered}`]),
  ]);
  if (wrong.length > 0) throw new InvalidInput(wrong);
}

function profilesOf(
  rows: readonly Row[],
  router: RouterExport,
  options: ParsedOptions,
  plans: readonly ListedPlan[],
): PreviewProfile[] {
  const taken = rows.filter((row) => row.fate === 'add');
  return Object.entries(countBy(taken, (row) => row.profile))
    .map(([name, secrets]) => {
      const rate = router.profiles.get(name)?.rate ?? null;
      const alike = rate === null ? [] : plans.filter((plan) => sameRate(plan.rate, rate)).map((plan) => plan.name);
      return { name, secrets, rate, plan: options.plans.get(name) ?? null, alike };
    })
    .toSorted((one, other) => other.secrets - one.secrets);
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return Object.fromEntries(counts);
}

const suspends = (row: Row, options: ParsedOptions): boolean => row.disabled && options.disabled === 'suspend';

function* inParts<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += ROWS_AT_ONCE) yield items.slice(at, at + ROWS_AT_ONCE);
}

/** Returns how many grants were given; passwords it makes up are put into `generated`. */
async function addRows(
  tx: ChangeTransaction,
  desk: Desk,
  rows: readonly Row[],
  options: ParsedOptions,
  plans: ReadonlyMap<string, Plan>,
  generated: { username: string; password: string }[],
): Promise<number> {
  const ids = await nextSubscriberIds(tx, rows.length);
  const now = desk.clock();
  const passwords = rows.map((row) => {
    if (row.given !== null) return row.given;
    const password = madeUp();
    generated.push({ username: row.username, password });
    return password;
  });
  await insertSubscribers(
    tx,
    rows.map(({ username, name, mac, staticIp }, at) => ({
      ...{ id: ids[at]!, username, name, mac, staticIp, billing: options.billing },
      ...{ phone: null, access: 'pppoe', nasId: null, address: '', notes: '', tags: [], language: 'id' },
      passwordSealed: desk.sealer.seal(passwords[at]!, subscriberPasswordAad(ids[at]!)),
    })),
  );
  const grants = rows.flatMap((row, at): NewGrant[] => {
    if (row.plan === null) return [];
    const plan = plans.get(row.plan)!;
    const until: Instant = options.coveredUntil ?? addPeriod(now, plan.period, desk.zone);
    return [{ subscriberId: ids[at]!, planRevisionId: plan.revisionId, from: now, until }];
  });
  if (grants.length > 0) await insertGrants(tx, grants);
  const suspended = ids.filter((_id, at) => suspends(rows[at]!, options));
  if (suspended.length > 0) await suspendAll(tx, suspended, now);
  await tx.mark(ids);
  return grants.length;
}

async function updateRows(tx: ChangeTransaction, desk: Desk, rows: readonly Row[]): Promise<void> {
  const ids = await subscriberIdsByUsername(
    tx,
    rows.map((row) => row.username),
  );
  const known = rows.filter((row) => ids.has(row.username)).map((row) => ({ ...row, id: ids.get(row.username)! }));
  await updateFromRouter(
    tx,
    known.map(({ id, given, name, mac, staticIp }) => ({
      ...{ id, name: name === '' ? null : name, mac, staticIp },
      passwordSealed: given === null ? null : desk.sealer.seal(given, subscriberPasswordAad(id)),
    })),
  );
  await tx.mark(known.map((row) => row.id));
}

/** Without signs that are mistaken for each other: somebody types it into a CPE. */
const SIGNS = 'abcdefghjkmnpqrstuvwxyz23456789';
const madeUp = (): string => Array.from({ length: 12 }, () => SIGNS[randomInt(SIGNS.length)]).join('');
