import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAY, type Instant } from '#domain/time';
import type { SessionRecord } from '#domain/usage';
import { retentionJob } from '#jobs/retention';
import { closeSilentSessions } from '#storage/accounting';
import { activityOf, rankActivity } from '#storage/activity';
import type { Database } from '#storage/database';
import { company, emptied, Ledger } from '#test/accounting/ledger';
import { routerOs, sessionRecord } from '#test/accounting/requests';
import { testDatabase } from '#test/support/database';

const NOW = Date.parse('2026-11-21T03:00:00Z');
const USERS = ['budi', 'sari', 'rina'];
/** 14 months, so that every retention below has something to drop, and a whole year of it may go. */
const OLDEST_DAYS = 430;

type Heard = { session: number; daysAgo: number; status: 'start' | 'interim' | 'stop'; seconds: number; bytes: number };
type Step =
  | { does: 'heard'; by: Heard[]; atOnce: Heard[] }
  | { does: 'silence'; daysAgo: number }
  | { does: 'retention'; months: number }
  | { does: 'correction'; user: number; daysAgo: number };

const daysAgo = fc.oneof(fc.nat(OLDEST_DAYS), fc.nat(40));
const heard = fc.array(
  fc.record<Heard>({
    session: fc.nat(14),
    daysAgo,
    status: fc.constantFrom('start', 'interim', 'stop', 'stop'),
    seconds: fc.nat(90_000),
    bytes: fc.nat(9000),
  }),
  { maxLength: 12 },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('heard' as const), by: heard, atOnce: heard }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('silence' as const), daysAgo }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('retention' as const), months: fc.constantFrom(0, 2, 10, 13) }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('correction' as const), user: fc.nat(2), daysAgo }) },
);

const stop = (session: number, daysAgo: number, bytes: number): Heard => {
  return { session, daysAgo, status: 'stop', seconds: 60, bytes };
};
/** A month that is kept and one that goes are of one year, and both are heard of again after that. */
const FORGOTTEN_AND_LATE: Step[] = [
  { does: 'heard', by: [stop(0, 400, 1000), stop(1, 330, 200)], atOnce: [stop(3, 10, 30), stop(6, 400, 7)] },
  { does: 'retention', months: 11 },
  { does: 'heard', by: [stop(9, 400, 5), stop(4, 330, 3)], atOnce: [stop(12, 10, 2)] },
];

const dayOf = (ago: number): string => new Date(NOW - ago * DAY).toISOString().slice(0, 10);

const recordOf = (nasId: number, { session, daysAgo, status, seconds, bytes }: Heard): SessionRecord => {
  const at: Instant = NOW - daysAgo * DAY;
  const said = {
    status,
    seconds,
    token: Buffer.alloc(16, session),
    user: USERS[session % 3]!,
    up: bytes,
    down: 2 * bytes,
  };
  return sessionRecord(routerOs({ ...said, mac: `AA:BB:CC:DD:EE:0${session % 3}` }), at, {
    id: nasId,
    swapOctets: false,
  });
};

async function take(db: Database, nasId: number, ids: readonly number[], one: Step): Promise<void> {
  if (one.does === 'heard') {
    const apply = (journal: string, all: readonly Heard[]) =>
      new Ledger(db, journal).apply(...all.map((each) => recordOf(nasId, each)));
    await Promise.all([apply('a', one.by), apply('b', one.atOnce)]);
  } else if (one.does === 'silence') await closeSilentSessions(db, NOW - one.daysAgo * DAY, { interimSeconds: 300 });
  else if (one.does === 'retention') await retentionJob(db, () => NOW, one.months).run(new AbortController().signal);
  else {
    const values = [ids[one.user], dayOf(one.daysAgo + 30), dayOf(one.daysAgo)];
    await db.execute('delete from usage_daily where subscriber_id = $1 and day between $2::date and $3::date', values);
  }
}

type Day = { id: number; day: string; bytes: number };

/** `id span` → running sums of the places 1 … `length`, without rows of nothing. */
function runningOf(
  days: readonly Day[],
  spanOf: (day: string) => string,
  placeOf: (day: string) => number,
  length: number,
) {
  const groups = Map.groupBy(days, ({ id, day }) => `${id} ${spanOf(day)}`);
  const sums = [...groups].map(([key, group]) => {
    const upTo = (place: number) =>
      group.filter(({ day }) => placeOf(day) <= place).reduce((sum, { bytes }) => sum + bytes, 0);
    return [key, Array.from({ length }, (_, at) => upTo(at + 1))] as const;
  });
  return new Map(sums.filter(([, running]) => running.at(-1)! > 0));
}

async function stored(db: Database, table: string, span: string): Promise<Map<string, number[]>> {
  const rows = await db.query<{ key: string; running: number[] }>(
    `select subscriber_id || ' ' || ${span} as key, running from ${table} order by 1`,
  );
  return new Map(
    rows.filter(({ running }) => running.some((sum) => sum !== 0)).map(({ key, running }) => [key, running]),
  );
}

/** Who used what on these days, summed up day by day, the most first. */
function summed(days: readonly Day[], from: string, to: string): [number, number][] {
  const within = days.filter(({ day, bytes }) => day >= from && day <= to && bytes > 0);
  const sums = [...Map.groupBy(within, ({ id }) => id)].map(([id, group]): [number, number] => [
    id,
    group.reduce((sum, { bytes }) => sum + bytes, 0),
  ]);
  return sums.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

test('running sums are the sums of the days, whatever was heard late, at once, not at all, corrected or forgotten', async () => {
  const db = await testDatabase();
  const seen = { days: 0, ranked: 0, dropped: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 10 }),
      fc.array(fc.tuple(daysAgo, daysAgo), { minLength: 4, maxLength: 4 }),
      async (steps, periods) => {
        await emptied(db);
        const { nasId, ids } = await company(db, NOW, { usernames: USERS });
        let before = 0;
        for (const one of steps) {
          await take(db, nasId, ids, one);
          const days = await db.query<Day>(
            'select subscriber_id as id, day, up_bytes + down_bytes as bytes from usage_daily order by 1, 2',
          );
          const months = runningOf(
            days,
            (day) => `${day.slice(0, 7)}-01`,
            (day) => Number(day.slice(8)),
            31,
          );
          expect(await stored(db, 'usage_monthly', 'month')).toEqual(months);
          const years = runningOf(
            days,
            (day) => day.slice(0, 4),
            (day) => Number(day.slice(5, 7)),
            12,
          );
          expect(await stored(db, 'usage_yearly', 'year')).toEqual(years);
          seen.days += days.length;
          if (one.does === 'retention' && days.length < before) seen.dropped += 1;
          before = days.length;
        }
        const all = await db.query<Day>(
          `select subscriber_id as id, day, up_bytes + down_bytes as bytes from usage_daily
           union all select subscriber_id, day, day_up + day_down from session where ended_at is null`,
        );
        const whole = [
          ['2026-10-01', '2026-10-31'],
          ['2026-01-01', '2026-12-31'],
          ['2025-12-01', '2026-11-21'],
        ] as const;
        const random = periods.map(
          ([one, other]) => [dayOf(Math.max(one, other)), dayOf(Math.min(one, other))] as const,
        );
        for (const [from, to] of [...whole, ...random]) {
          const used = summed(all, from, to);
          const ranked = await rankActivity(db, { from, to });
          expect(ranked, `${from} to ${to}`).toEqual(used.map(([id]) => id));
          const rows = await activityOf(db, ranked, { from, to, paidFrom: 0, paidTo: 0 });
          expect(rows.map((row) => [row.subscriberId, row.upBytes + row.downBytes])).toEqual(used);
          seen.ranked += ranked.length;
        }
      },
    ),
    {
      numRuns: 20,
      examples: [
        [
          FORGOTTEN_AND_LATE,
          [
            [430, 0],
            [400, 60],
            [20, 5],
            [0, 0],
          ],
        ],
      ],
    },
  );
  expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(0);
}, 120_000);
