import type { Rate } from '#domain/plan';
import type { UsagePeriod } from '#domain/policy';
import type { Instant } from '#domain/time';

/** What a subscriber gets, why, and for how long that answer holds. Made by `decide`, never stored as truth. */
export type Decision = {
  readonly access: Access;
  /** The rate limit to enforce; null exactly when access is `denied`. */
  readonly rate: Rate | null;
  /** The firewall address-list of the line; exactly one for every access but `denied` (no state may have "no list"). */
  readonly addressList: string | null;
  /** PPP profile (Mikrotik-Group) and address pool (Framed-Pool) where the plan or the rule names one. */
  readonly profile: string | null;
  readonly pool: string | null;
  readonly idleSeconds: number | null;
  readonly interimSeconds: number;
  /** Extra reply attributes for the NAS that asks, dictionary name → value, in sending order. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
  /** First instant at which the answer could differ; NEVER when time alone will not change it. */
  readonly validUntil: Instant;
  /** Lowest `Facts.chargedBytes` at which the answer could differ; Infinity when usage will not change it. */
  readonly validBelow: number;
  /** Why, most telling first; never empty. */
  readonly because: readonly Reason[];
};

/** full: the plan's rate · reduced: less of it (fair use) · walled: accepted, but led to the portal · denied: rejected. */
export type Access = 'full' | 'reduced' | 'walled' | 'denied';

/** One statement of the chain of reasons; `print.ts` says it in words. */
export type Reason =
  | { readonly is: 'rule'; readonly name: string }
  | { readonly is: 'fallback' }
  | { readonly is: 'suspended'; readonly since: Instant }
  | { readonly is: 'covered'; readonly plan: string; readonly until: Instant }
  | { readonly is: 'never-covered' }
  | { readonly is: 'expired'; readonly plan: string; readonly at: Instant }
  | { readonly is: 'not-yet-covered'; readonly plan: string; readonly from: Instant }
  | { readonly is: 'allowance-left'; readonly leftBytes: number; readonly allowanceBytes: number }
  | { readonly is: 'allowance-spent'; readonly usedBytes: number; readonly allowanceBytes: number }
  /** `per`: of what period the usage is; null = since the grants began. */
  | {
      readonly is: 'fair-use';
      readonly usedBytes: number;
      readonly stepBytes: number;
      readonly per: UsagePeriod | null;
    }
  | { readonly is: 'window'; readonly from: string; readonly to: string }
  | { readonly is: 'grace'; readonly until: Instant }
  | { readonly is: 'overdue'; readonly since: Instant }
  | { readonly is: 'paying'; readonly until: Instant }
  | { readonly is: 'billing'; readonly billing: 'prepaid' | 'postpaid' }
  | { readonly is: 'tag'; readonly tag: string }
  | { readonly is: 'nas'; readonly name: string };
