import { internationalDigits } from '#domain/phone';
import { printLocalBytes, printLocalDateTime } from '#domain/print-local';
import type { Settings } from '#domain/settings';
import { DAY, HOUR, type Instant, windowAt } from '#domain/time';
import type { Desk } from '#operations/desk';
import { queueNotice } from '#operations/queue-notice';
import type { Queryable } from '#storage/database';
import {
  type Candidate,
  cancelOutdated,
  type EndingGrant,
  endedSince,
  endingSoon,
  quotaReached,
  type SpentQuota,
} from '#storage/reminders';
import { readSettings } from '#storage/settings';

/** How many of each were queued, and how many that waited were taken back. */
export type QueuedReminders = {
  readonly endingSoon: number;
  readonly ended: number;
  readonly quota: number;
  readonly outdated: number;
};

/** Told later than this, an end or a spent quota is no news. */
const OLDEST_MS = DAY;
/** Reminders that are one commit. */
const AT_ONCE = 100;

/**
 * Queues what prepaid subscribers should be told by now: that their package ends soon (`reminders.endingSoonHours` before),
 * that it ended, that a share of their quota is used (`reminders.quotaShares`), each once: a once key in the same commit
 * sees to that, whoever else does this meanwhile and whenever this is killed. What comes due in the quiet hours is sent
 * at their end. After a time without us it catches up, with nothing older than a day.
 */
export async function queueReminders(desk: Desk, signal?: AbortSignal): Promise<QueuedReminders> {
  const { reminders } = await readSettings(desk.db);
  const now = desk.clock();
  const dueAt = afterQuietHours(now, reminders, desk.zone);
  const withinMs = reminders.endingSoonHours * HOUR;
  const outdated = await cancelOutdated(desk.db, now, withinMs);
  const ending = (await endingSoon(desk.db, now, withinMs)).filter(({ until }) => until > dueAt);
  const ended = await endedSince(desk.db, now, now - OLDEST_MS);
  const spent = await quotaReached(desk.db, now, reminders.quotaShares);
  const queue = (all: readonly Queue[]) => queueAll(desk, all, signal);
  return {
    outdated,
    endingSoon: await queue(reachable(ending).map((one) => endNotice(desk, 'ending-soon', one, dueAt))),
    ended: await queue(reachable(ended).map((one) => endNotice(desk, 'ended', one, dueAt))),
    quota: await queue(reachable(spent).map((one) => quotaNotice(desk, one, dueAt))),
  };
}

/** Queues one notice; whether it did. */
type Queue = (tx: Queryable) => Promise<boolean>;

/** Numbers that nobody could be written to are not tried again every minute. */
const reachable = <One extends Candidate>(all: readonly One[]): One[] =>
  all.filter(({ phone }) => internationalDigits(phone) !== null);

async function queueAll(desk: Desk, notices: readonly Queue[], signal: AbortSignal | undefined): Promise<number> {
  let queued = 0;
  for (let at = 0; at < notices.length && signal?.aborted !== true; at += AT_ONCE) {
    const some = notices.slice(at, at + AT_ONCE);
    queued += await desk.db.transaction(async (tx) => {
      let count = 0;
      for (const queue of some) if (await queue(tx)) count += 1;
      return count;
    });
  }
  return queued;
}

function endNotice(desk: Desk, notice: 'ending-soon' | 'ended', { until, ...to }: EndingGrant, dueAt: Instant): Queue {
  const values = { ...whoAndWhere(to, desk.publicUrl), until: printLocalDateTime(until, desk.zone, to.language) };
  const { subscriberId, grantId } = to;
  return (tx) => queueNotice(tx, desk, { subscriberId, notice, values, onceKey: `${notice}:${grantId}`, dueAt });
}

function quotaNotice(desk: Desk, { share, usedBytes, allowanceBytes, ...to }: SpentQuota, dueAt: Instant): Queue {
  const values = {
    ...whoAndWhere(to, desk.publicUrl),
    used: printLocalBytes(usedBytes, to.language),
    quota: printLocalBytes(allowanceBytes, to.language),
  };
  const { subscriberId, grantId } = to;
  // There are two texts: of what is used so far, and of nothing left.
  const notice = share >= 100 ? 'quota-100' : 'quota-80';
  return (tx) => queueNotice(tx, desk, { subscriberId, notice, values, onceKey: `quota-${share}:${grantId}`, dueAt });
}

const whoAndWhere = ({ name, username, plan }: Candidate, publicUrl: string) => ({
  name: name || username,
  plan,
  portalUrl: `${publicUrl}/prepaid/portal`,
});

/** The instant itself, or the end of the quiet hours that it is in. */
export function afterQuietHours(
  at: Instant,
  { quietFrom, quietTo }: Pick<Settings['reminders'], 'quietFrom' | 'quietTo'>,
  zone: string,
): Instant {
  if (quietFrom === null || quietTo === null) return at;
  let due = at;
  // A change of the zone's offset parts a night in two.
  for (let look = 0; look < 4; look++) {
    const { inside, until } = windowAt(due, { from: quietFrom, to: quietTo }, zone);
    if (!inside) return due;
    due = until;
  }
  return due;
}
