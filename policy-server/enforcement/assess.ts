import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { Facts } from '#domain/facts';
import { FALLBACK, type NasVendor, type Policy } from '#domain/policy';
import { type Action, reconcile } from '#domain/reconcile';
import { type Instant, NEVER } from '#domain/time';
import type { LiveSession } from '#storage/sessions';
import type { StaticAddress } from '#storage/static-addresses';

/** What enforcement has to know of a NAS. */
export type EnforcedNas = {
  readonly name: string;
  readonly tags: readonly string[];
  readonly vendor: NasVendor;
  /** CoA and Disconnect requests a second it is to get at most. */
  readonly coaPerSecond: number;
};

/** One session, what its subscriber gets on that NAS, and what has to be done about it. */
export type Step = {
  readonly session: LiveSession;
  /** The make of its NAS. */
  readonly vendor: NasVendor;
  readonly decision: Decision;
  readonly action: Action;
};

/** One address of a static line and the list it has to be in; null = in none, for it is the line's no more. */
export type ListStep = { readonly address: StaticAddress; readonly list: string | null };

/** How one subscriber's sessions and addresses stand against what is decided. */
export type Assessment = {
  readonly steps: readonly Step[];
  readonly lists: readonly ListStep[];
  /** First instant at which any of it could be decided otherwise. */
  readonly validUntil: Instant;
  /** Lowest chargedBytes at which it could. */
  readonly validBelow: number;
};

/** Whether the router has to be told: also of an address that is dropped and that it never acknowledged. */
export const differs = ({ address, list }: ListStep): boolean => address.removed || address.toldList !== list;

/**
 * Decides for each session and each static address with the NAS it is on (a policy may tell NASes apart), or once without
 * a NAS where there is neither, and compares. Pure.
 */
export function assess(
  facts: Facts,
  sessions: readonly LiveSession[],
  addresses: readonly StaticAddress[],
  policy: Policy,
  nases: ReadonlyMap<number, EnforcedNas>,
  at: Instant,
): Assessment {
  const ids = new Set([...sessions, ...addresses].map(({ nasId }) => nasId));
  if (ids.size === 0) {
    const { validUntil, validBelow } = decide({ ...facts, nas: null }, policy, at);
    return { steps: [], lists: [], validUntil, validBelow };
  }
  const steps: Step[] = [];
  const lists: ListStep[] = [];
  let validUntil = NEVER;
  let validBelow = Number.POSITIVE_INFINITY;
  for (const nasId of ids) {
    const on = sessions.filter((session) => session.nasId === nasId);
    const nas = nases.get(nasId);
    const decision = decide({ ...facts, nas: nas === undefined ? null : nas }, policy, at);
    const vendor = nas?.vendor ?? 'mikrotik';
    const actions = reconcile(decision, on, at, vendor);
    actions.forEach((action, index) => {
      steps.push({ session: on[index]!, vendor, decision, action });
    });
    for (const address of addresses) {
      if (address.nasId === nasId) lists.push({ address, list: address.removed ? null : listOf(decision) });
    }
    validUntil = Math.min(validUntil, decision.validUntil);
    validBelow = Math.min(validBelow, decision.validBelow);
  }
  return { steps, lists, validUntil, validBelow };
}

/**
 * A PPPoE line that is denied is refused at its dial; a static one dials nowhere, and an address in no list would be free.
 * So a suspended static line is walled like one without a package.
 */
const listOf = (decision: Decision): string => decision.addressList ?? FALLBACK.addressList;
