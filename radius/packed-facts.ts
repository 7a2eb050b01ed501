import type { Facts, Grant } from '#domain/facts';
import type { Plan } from '#domain/plan';
import { type Instant, NEVER } from '#domain/time';

/**
 * Facts at rest in memory: one short line of JSON for a subscriber in place of some ten objects, so that a million of
 * them fit (about 110 octets against 420) and the garbage collector has nothing in them to follow. They are unpacked
 * when a decision is made, which the directory does once per answer's life (measured: 2 µs).
 */

/** What of the facts is not held beside: [billing, tags, suspendedSince, chargedBytes, grants, money?]; most owe nothing. */
type Packed = [Facts['billing'], readonly string[], number | null, number, PackedGrant[], PackedMoney?];
type PackedMoney = [owesSince: number | null, openings: readonly number[]];
/** Behind the grant, where it is metered: `lastAt`, then the bases. */
type PackedGrant = [id: number, plan: number, from: number, until: number, usedBytes: number, ...metered: number[]];

const NO_MONEY: PackedMoney = [null, []];

/** JSON has no infinity. No real instant of a grant is before 1970. */
const NEVER_PACKED = -1;

/** Plan revisions by number: each is held once however many grants name it. Revisions are immutable and few. */
export class PlanShelf {
  readonly #plans: Plan[] = [];
  readonly #numbers = new Map<string, number>();
  /** Within one message a plan is one object, and writing it out to compare costs more than all the rest of a grant. */
  readonly #seen = new WeakMap<Plan, number>();

  put(plan: Plan): number {
    let number = this.#seen.get(plan);
    if (number !== undefined) return number;
    const text = JSON.stringify(plan);
    number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#plans.push(plan) - 1;
      this.#numbers.set(text, number);
    }
    this.#seen.set(plan, number);
    return number;
  }

  get(number: number): Plan {
    const plan = this.#plans[number];
    if (plan === undefined) throw new RangeError(`no plan ${number} on the shelf`);
    return plan;
  }

  all(): readonly Plan[] {
    return this.#plans;
  }
}

export function packFacts(facts: Facts, plans: PlanShelf): string {
  const grants = facts.grants.map(
    (grant): PackedGrant => [
      grant.id,
      plans.put(grant.plan),
      packInstant(grant.from),
      packInstant(grant.until),
      grant.usedBytes,
      ...(grant.metered === null ? [] : [grant.metered.lastAt, ...grant.metered.bases]),
    ],
  );
  const { owesSince, openings } = facts;
  const packed: Packed = [facts.billing, facts.tags, facts.suspendedSince, facts.chargedBytes, grants];
  if (owesSince !== null || openings.length > 0) packed.push([owesSince, openings]);
  return JSON.stringify(packed);
}

/** The facts again, but for what the caller holds beside; `nas` is left to the caller too. */
export function unpackFacts(
  packed: string,
  plans: PlanShelf,
): Omit<Facts, 'subscriberId' | 'username' | 'version' | 'nas'> {
  const [billing, tags, suspendedSince, chargedBytes, packedGrants, [owesSince, openings] = NO_MONEY] = JSON.parse(
    packed,
  ) as Packed;
  const grants = packedGrants.map(
    ([id, plan, from, until, usedBytes, lastAt, ...bases]): Grant => ({
      id,
      plan: plans.get(plan),
      from: unpackInstant(from),
      until: unpackInstant(until),
      usedBytes,
      metered: lastAt === undefined ? null : { lastAt, bases },
    }),
  );
  return { billing, tags, suspendedSince, owesSince, openings, chargedBytes, grants };
}

function packInstant(instant: Instant): number {
  return instant === NEVER ? NEVER_PACKED : instant;
}

function unpackInstant(packed: number): Instant {
  return packed === NEVER_PACKED ? NEVER : packed;
}
