import { InvalidInput } from '#domain/errors';
import type { Plan } from '#domain/plan';
import { say } from '#domain/say';
import { addPeriod, type Instant, MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { type ImportRow, type LineFault, onLine, readImportFile } from '#operations/import-file';
import { generateSecret } from '#operations/password-hash';
import { noNasFault } from '#operations/static-line';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { insertGrants, type NewGrant } from '#storage/grants';
import { nasIdsByName } from '#storage/nas';
import { planNames, plansOnSale } from '#storage/plans';
import { subscriberPasswordAad } from '#storage/secrets';
import {
  dialersWithin,
  insertStaticAddresses,
  insertSubscribers,
  lockLineAddresses,
  type NewStaticAddress,
  nextSubscriberIds,
  ownersOfAddresses,
  takenIdentities,
} from '#storage/subscribers';

export type Imported = { readonly subscribers: number; readonly grants: number };

/** Rows written by one statement: past a few thousand a statement gains nothing and holds its memory longer. */
const ROWS_AT_ONCE = 2_000;

/**
 * Adds every subscriber of a CSV text, or none. A row with a plan gets a grant of it, to its `covered_until` or, without
 * one, for the plan's period from now.
 *
 * @throws InvalidInput with one line for every fault of every line (`line 7: …`); nothing is changed then
 */
export async function importSubscribers(desk: Desk, csv: string): Promise<Imported> {
  const { rows, faults } = readImportFile(csv, desk.zone);
  const plans = await plansOnSale(desk.db, [...new Set(rows.flatMap((row) => row.plan ?? []))]);
  const nases = await nasIdsByName(desk.db);
  refuse([...faults, ...(await faultsAgainstDatabase(desk.db, rows, plans, nases))]);
  if (rows.length === 0) throw new InvalidInput([NOBODY]);
  return change(
    desk.db,
    { actor: desk.actor, why: 'import subscribers', detail: { rows: rows.length } },
    async (tx) => {
      await lockLineAddresses(tx);
      // Again, inside: somebody else may have added one of them since, and unique constraints would name no line.
      refuse(await faultsAgainstDatabase(tx, rows, plans, nases));
      let grants = 0;
      for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
        const some = rows.slice(at, at + ROWS_AT_ONCE);
        const ids = await nextSubscriberIds(tx, some.length);
        await insertSubscribers(
          tx,
          some.map((row, index) => ({
            ...row,
            id: ids[index]!,
            passwordSealed: desk.sealer.seal(row.password ?? generateSecret(), subscriberPasswordAad(ids[index]!)),
            nasId: row.nas === null ? null : nases.get(row.nas)!,
          })),
        );
        const addresses = some.flatMap((row, index) => addressesOf(row, ids[index]!, nases));
        if (addresses.length > 0) await insertStaticAddresses(tx, addresses);
        const granted = some.flatMap((row, index) => grantOf(row, ids[index]!, plans, desk));
        if (granted.length > 0) await insertGrants(tx, granted);
        await tx.mark(ids);
        grants += granted.length;
      }
      return { subscribers: rows.length, grants };
    },
  );
}

/** What `importSubscribers` would take of a CSV text and every fault that keeps it from that; changes nothing. */
export async function previewImport(
  desk: Desk,
  csv: string,
): Promise<{ readonly rows: readonly ImportRow[]; readonly faults: readonly string[] }> {
  const { rows, faults } = readImportFile(csv, desk.zone);
  const plans = await plansOnSale(desk.db, [...new Set(rows.flatMap((row) => row.plan ?? []))]);
  const all = [...faults, ...(await faultsAgainstDatabase(desk.db, rows, plans, await nasIdsByName(desk.db)))];
  const none = all.length === 0 && rows.length === 0 ? [NOBODY] : [];
  return { rows, faults: [...inOrder(all), ...none] };
}

const NOBODY = say`the file has a header but no subscriber; add one line for each`;

function refuse(faults: readonly LineFault[]): void {
  if (faults.length > 0) throw new InvalidInput(inOrder(faults));
}

const inOrder = (faults: readonly LineFault[]): string[] =>
  faults.toSorted((one, other) => one.line - other.line).map(({ line, reason }) => onLine(line, reason));

async function faultsAgainstDatabase(
  q: Queryable,
  rows: readonly ImportRow[],
  plans: ReadonlyMap<string, Plan>,
  nases: ReadonlyMap<string, number>,
): Promise<LineFault[]> {
  const addresses = rows.flatMap((row) => row.staticIp ?? []);
  const taken = await takenIdentities(
    q,
    rows.map((row) => row.username),
    addresses,
  );
  const ofLines = rows.flatMap((row) => row.addresses);
  const held = await ownersOfAddresses(q, [...ofLines, ...addresses]);
  const dialers = Map.groupBy(await dialersWithin(q, ofLines), ({ given }) => given);
  const ownerOf = new Map(held.map(({ given, username }) => [given, username]));
  const offered = (await planNames(q)).join(', ') || say`none yet, add one with: plan add`;
  return rows.flatMap((row) => {
    const owner = row.staticIp === null ? undefined : taken.addresses.get(row.staticIp);
    const lineOf = row.staticIp === null ? undefined : ownerOf.get(row.staticIp);
    return [
      ...(taken.usernames.has(row.username) ? [say`username "${row.username}" is taken already`] : []),
      ...(owner === undefined ? [] : [say`static_ip ${row.staticIp} belongs to ${owner} already`]),
      ...(lineOf === undefined ? [] : [say`static_ip ${row.staticIp} belongs to the line of ${lineOf} already`]),
      ...(row.nas === null || nases.has(row.nas) ? [] : [noNasFault(row.nas, [...nases.keys()])]),
      ...row.addresses.flatMap((address) => {
        const username = ownerOf.get(address);
        return username === undefined ? [] : [say`addresses: ${address} belongs to the line of ${username} already`];
      }),
      ...row.addresses.flatMap((address) =>
        (dialers.get(address) ?? []).map(
          ({ held, username }) => say`addresses: ${address} holds ${held}, which belongs to ${username} already`,
        ),
      ),
      ...(row.plan === null || plans.has(row.plan) ? [] : [say`there is no plan "${row.plan}"; there are: ${offered}`]),
    ].map((reason) => ({ line: row.line, reason }));
  });
}

/** A cover that has ended is kept too: the subscriber then reads "expired on …" and not "never had a package". */
function grantOf(row: ImportRow, subscriberId: number, plans: ReadonlyMap<string, Plan>, desk: Desk): NewGrant[] {
  if (row.plan === null) return [];
  const plan = plans.get(row.plan)!;
  const now = desk.clock();
  const until = row.coveredUntil ?? addPeriod(now, plan.period, desk.zone);
  const from: Instant = Math.min(now, until - MINUTE);
  return [{ subscriberId, planRevisionId: plan.revisionId, from, until }];
}

function addressesOf(row: ImportRow, subscriberId: number, nases: ReadonlyMap<string, number>): NewStaticAddress[] {
  return row.addresses.map((address) => ({ subscriberId, nasId: nases.get(row.nas!)!, address }));
}
