import { DAY, type Instant } from '#domain/time';
import * as sql from '#storage/accounting-sql';
import { numbers } from '#storage/accounting-sql';
import { mark } from '#storage/change';
import type { Database, Queryable } from '#storage/database';
import { timestamp } from '#storage/database';
import { ensurePartitions } from '#storage/history';

/** Ends sessions nobody reported the end of, at the time they were last heard of; adds their subscribers to `woken`. Returns how many. */
export async function assumeEnded(
  tx: Queryable,
  sessions: readonly { readonly id: number }[],
  cause: string,
  woken: Set<number>,
): Promise<number> {
  if (sessions.length === 0) return 0;
  const values = [numbers(sessions.map((session) => session.id)), cause];
  const ended = await tx.query<{ subscriberId: number | null }>(sql.ASSUME_ENDED, values, 'intake-assume-ended');
  for (const { subscriberId } of ended) if (subscriberId !== null) woken.add(subscriberId);
  return ended.length;
}

type Silent = { readonly id: number; readonly heardAt: Instant };

/** What counts as silence. */
export type Silence = {
  /** The longest interim interval that sessions are given. */
  readonly interimSeconds: number;
};

/**
 * Ends sessions that must be over although no Stop came, as of when they were last heard: after a day of silence, and, on a
 * RouterOS that has restarted, those of before (the third digit of Acct-Session-Id counts its boots) that were not heard
 * for two interims and a minute while one of the present boot was. Returns how many. Call it only when the journals are
 * applied to their end: a session is not silent while its records wait. One that is heard again reopens.
 */
export async function closeSilentSessions(db: Database, now: Instant, silence: Silence): Promise<number> {
  return db.transaction(async (tx) => {
    const [{ granted } = { granted: false }] = await tx.query<{ granted: boolean }>(
      "select pg_try_advisory_xact_lock(hashtext('gerbang: close silent sessions')) as granted",
    );
    if (!granted) return 0;
    const woken = new Set<number>();
    const silent = await tx.query<Silent>(sql.SILENT, [timestamp(now - DAY)]);
    const before = timestamp(now - (2 * silence.interimSeconds + 60) * 1000);
    const ghosts = await tx.query<Silent>(sql.GHOSTS, [before]);
    // Their running days are as old as they are silent: the partition may be of a month nobody used yet.
    const oldest = [...silent, ...ghosts].reduce((least, { heardAt }) => Math.min(least, heardAt), now);
    if (oldest < now) await ensurePartitions(db, oldest - DAY, now);
    const ended = await assumeEnded(tx, silent, 'Lost-Service', woken);
    const rebooted = await assumeEnded(tx, ghosts, 'NAS-Reboot', woken);
    await mark(tx, [...woken]);
    return ended + rebooted;
  });
}

/** Silence after which a session no longer counts as one for a limit (it may be a ghost): milliseconds. */
export const staleAfterMs = (interimSeconds: number): number => Math.max((3 * interimSeconds + 60) * 1000, 15 * 60_000);
