import { DAY, type Instant, SECOND } from '#domain/time';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { confirmPin } from '#operations/confirm-pin';
import type { Desk } from '#operations/desk';
import { firstPolicy } from '#operations/first-policy';
import { issuePin } from '#operations/issue-pin';
import { saveSettings } from '#operations/settings';
import { plansForPortal } from '#storage/plans';
import { NOW, type PortalOptions, startPortal, type TestPortal } from '#test/portal/harness';

/** A small provider as the seed describes it: two routers, four packages, customer service that can be reached. */
export type Company = TestPortal & {
  /** The revision that is sold of a package. */
  planId(name: string): Promise<number>;
};

export const PLANS = [
  { name: '10GB - 10Mbps', down: '10M', up: '10M', quota: '10GB', period: '30d', price: '50000' },
  { name: '20GB - 20Mbps', down: '20M', up: '20M', quota: '20GB', period: '30d', price: '75000' },
  { name: '50GB - 50Mbps', down: '50M', up: '25M', quota: '50GB', period: '30d', price: '150000' },
  { name: 'Unlimited - 100Mbps', down: '100M', up: '100M', period: 'month', price: '300000' },
] as const;
export const PLAN = '20GB - 20Mbps';

export async function startCompany(options: PortalOptions = {}): Promise<Company> {
  const portal = await startPortal(options);
  const { desk, db } = portal;
  await firstPolicy(desk);
  const office = { address: 'Jl. Melati 7, Malang', hours: 'Senin–Sabtu 08.00–20.00' };
  await saveSettings(desk, 'company', { name: 'Maju Net', phone: '081234567890', ...office });
  for (const plan of PLANS) await addPlan(desk, plan);
  await addNas(desk, { name: 'tower-north', address: '10.20.0.1', secret: 'A-secret-of-the-north' });
  await addNas(desk, { name: 'tower-south', address: '10.20.0.2', secret: 'A-secret-of-the-south' });
  return {
    ...portal,
    planId: async (name) => (await plansForPortal(db, NOW)).find((plan) => plan.name === name)!.revisionId,
  };
}

export type Customer = {
  readonly id: number;
  readonly username: string;
  readonly portalId: string;
  readonly pin: string;
};

/** A subscriber who can log in; the PIN is confirmed already unless `fresh`. */
export async function addCustomer(
  desk: Desk,
  input: Readonly<Record<string, unknown>> & { readonly username: string },
  { fresh = false } = {},
): Promise<Customer> {
  const { id, username } = await addSubscriber(desk, { password: 'Rumah-77', phone: '081298765432', ...input });
  const { portalId, pin } = await issuePin(desk, id, { send: false });
  if (!fresh) await confirmPin(desk, id);
  return { id, username, portalId, pin };
}

let sessions = 0;

/** A session as accounting would have it. Without `subscriberId` it is a line nobody knows. */
export async function addSession(
  { db, clock }: Pick<TestPortal, 'db' | 'clock'>,
  session: {
    readonly subscriberId: number | null;
    readonly framedIp: string;
    readonly username?: string;
    readonly nasId?: number;
    readonly startedAt?: Instant;
    readonly heardAt?: Instant;
    readonly endingSince?: Instant;
    readonly endedAt?: Instant;
  },
): Promise<void> {
  sessions += 1;
  const now = clock();
  const at = (instant: Instant | undefined) => (instant === undefined ? null : new Date(instant).toISOString());
  await db.execute(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at,
                          heard_at, day, ending_since, ended_at)
     values ($1, $2, '10.20.0.1', $1, coalesce($3, (select username from subscriber where id = $4), 'nobody'), $4, $5::inet,
             $6::timestamptz, $7::timestamptz, '2026-11-21', $8::timestamptz, $9::timestamptz)`,
    [
      `session-${sessions}`,
      session.nasId ?? 1,
      session.username ?? null,
      session.subscriberId,
      session.framedIp,
      at(session.startedAt ?? now - 3_600_000),
      at(session.heardAt ?? now - 60_000),
      at(session.endingSince),
      at(session.endedAt),
    ],
  );
}

/** As if enforcement had looked at everybody and found nothing more to do, or (false) had still to look. */
export async function setSettled({ db, clock }: Pick<TestPortal, 'db' | 'clock'>, settled = true): Promise<void> {
  await db.execute(`update due set due_at = $1::timestamptz, attempts = 0`, [
    new Date(clock() + (settled ? 365 * DAY : -SECOND)).toISOString(),
  ]);
}
