import type { Facts } from '#domain/facts';
import type { Plan } from '#domain/plan';
import { DAY } from '#domain/time';
import type { DirectoryEntry } from '#radius/directory';

/** The subscribers of the benches, by number. */

export const username = (i: number): string => `u${String(i).padStart(7, '0')}@isp.example`;
export const password = (i: number): string => `pw-${(i * 7919) % 1_000_003}`;

const plans: readonly Plan[] = [10, 20, 50, 100].map((megabits, i) => ({
  revisionId: i + 1,
  name: `home-${megabits}`,
  rate: { downloadBps: megabits * 1e6, uploadBps: megabits * 1e6, burst: null },
  allowanceBytes: null,
  period: { months: 1 },
  priceRupiah: 150_000,
  profile: null,
}));

/** A subscriber in good standing with one grant, as nearly all are. */
export function subscriber(i: number, now: number): DirectoryEntry {
  const plan = plans[i % plans.length]!;
  const from = now - ((i % 27) + 1) * DAY;
  const usedBytes = i * 98_317;
  const before = [0.98, 0.8, 0.3, 0.97, 0.75, 0].map((share) => Math.floor(usedBytes * share));
  const metered = { lastAt: now - (i % 300_000), bases: before };
  const facts: Facts = {
    subscriberId: i + 1,
    username: username(i),
    billing: 'prepaid',
    tags: [],
    suspendedSince: null,
    owesSince: null,
    openings: [],
    grants: [{ id: 5_000_000 + i, plan, from, until: from + 30 * DAY + i, usedBytes, metered }],
    chargedBytes: usedBytes,
    nas: null,
    version: 7_000_000 + i,
  };
  return { facts, password: password(i), line: LINE };
}

const LINE = { mac: null, sessionLimit: 1, staticIp: null, framedIpv6Prefix: null, delegatedIpv6Prefix: null };
