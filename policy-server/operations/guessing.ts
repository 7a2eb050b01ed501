import { createHash } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { type Instant, SECOND } from '#domain/time';
import type { Database, Queryable } from '#storage/database';
import { giveBackSpent, lockSpent, readSpent, type Spent, writeSpent } from '#storage/login-budget';

/**
 * How guessing is held back: each try is charged to buckets in the database before anything is compared, and given back
 * when it was right. So tries at the same moment all count, also on several nodes, and a restart forgives nothing.
 */
export type Budget = { readonly bucket: string; readonly rule: Rule };

export type Rule =
  /** After `free` wrong tries each costs twice the pause of the one before, from 1 s; forgotten after a quiet time. */
  | { readonly is: 'delay'; readonly free: number; readonly longestMs: number; readonly forgottenAfterMs: number }
  /** So many wrong tries in a window that begins with the first; at its edge twice as many may fall together. */
  | { readonly is: 'window'; readonly atMost: number; readonly lengthMs: number };

/**
 * Charges one wrong try to every budget, or to none when one of them is used up: then nothing may be compared, and
 * `waitSeconds` says for how long. A look without locks comes first, so that a flood of tries that are refused anyway
 * neither writes nor waits in line. `also` is done in the same transaction once the try is charged.
 */
export async function chargeTry<Result>(
  db: Database,
  budgets: readonly Budget[],
  now: Instant,
  also: (tx: Queryable) => Promise<Result>,
): Promise<{ readonly waitSeconds: number } | { readonly charged: Result; readonly nextWaitSeconds: number }> {
  const buckets = budgets.map(({ bucket }) => bucket);
  const early = longestWait(budgets, await readSpent(db, buckets), now);
  if (early > 0) return { waitSeconds: early };
  return db.transaction(async (tx) => {
    const spent = await lockSpent(tx, buckets, now);
    const wait = longestWait(budgets, spent, now);
    if (wait > 0) return { waitSeconds: wait };
    const after = new Map(budgets.map(({ bucket, rule }) => [bucket, charged(rule, spent.get(bucket), now)]));
    await writeSpent(tx, after);
    return { charged: await also(tx), nextWaitSeconds: longestWait(budgets, after, now) };
  });
}

/** Gives a try back that turned out to be right; a window that began anew meanwhile gains one, which is no harm. */
export async function giveBack(tx: Queryable, budgets: readonly Budget[]): Promise<void> {
  await giveBackSpent(
    tx,
    budgets.map(({ bucket }) => bucket),
  );
}

/** What was right when it was compared is so no longer, because it was changed meanwhile: the login is undone. */
export class Superseded extends Error {
  override name = 'Superseded';
}

function longestWait(budgets: readonly Budget[], spent: ReadonlyMap<string, Spent>, now: Instant): number {
  const waits = budgets.map(({ bucket, rule }) => waitMs(rule, spent.get(bucket), now));
  return Math.ceil(Math.max(0, ...waits) / SECOND);
}

/** Of a delay `since` is the last wrong try, of a window its first. */
function waitMs(rule: Rule, spent: Spent | undefined, now: Instant): number {
  if (spent === undefined || isForgotten(rule, spent, now)) return 0;
  if (rule.is === 'window') return spent.failures < rule.atMost ? 0 : spent.since + rule.lengthMs - now;
  if (spent.failures < rule.free) return 0;
  return spent.since + Math.min(rule.longestMs, SECOND * 2 ** (spent.failures - rule.free)) - now;
}

function charged(rule: Rule, spent: Spent | undefined, now: Instant): Spent {
  if (spent === undefined || spent.failures === 0 || isForgotten(rule, spent, now)) return { failures: 1, since: now };
  return { failures: spent.failures + 1, since: rule.is === 'window' ? spent.since : now };
}

const isForgotten = (rule: Rule, spent: Spent, now: Instant): boolean =>
  now - spent.since >= (rule.is === 'window' ? rule.lengthMs : rule.forgottenAfterMs);

/** What somebody typed, as part of a bucket's name: of one length, and no name or number of a person to read. */
export const typedKey = (typed: string): string => createHash('sha256').update(typed).digest('hex');

/** The buckets that stand for one member of staff, to be forgotten when somebody vouches for them. */
export const staffBuckets = ({ id, username }: { readonly id: number; readonly username: string }) => ({
  login: `staff:${typedKey(username)}`,
  code: `staff-code:${id}`,
  codes: `staff-codes:${id}`,
  own: `staff-own:${id}`,
});

/** Whose network an address is in: IPv4 as it is, of IPv6 the first 64 bits, which one customer has for himself. */
export function networkOf(address: string): string {
  const bare = address.split('%', 1)[0]!;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  if (isIPv4(mapped)) return mapped;
  if (isIP(mapped) === 0) return 'unknown';
  // The URL parser writes every IPv6 address in one way, `::` for its longest run of zeros.
  const [head = '', tail] = new URL(`http://[${mapped}]/`).hostname.slice(1, -1).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}
