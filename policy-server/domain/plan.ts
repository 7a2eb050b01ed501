/**
 * What is sold: one revision of a plan (in pages: *paket*). Rates are bits per second seen from the subscriber;
 * only `radius/mikrotik` knows the router's rx/tx order.
 */
export type Plan = {
  readonly revisionId: number;
  readonly name: string;
  readonly rate: Rate;
  /** Bytes a grant of this plan allows, up and down together; null = unlimited. */
  readonly allowanceBytes: number | null;
  readonly period: Period;
  /** Whole rupiah. */
  readonly priceRupiah: number;
  /** PPP profile on the router (Mikrotik-Group); null = the PPPoE server's default profile. */
  readonly profile: string | null;
};

export type Rate = {
  readonly downloadBps: number;
  readonly uploadBps: number;
  readonly burst: Burst | null;
};

export type Burst = {
  readonly downloadBps: number;
  readonly uploadBps: number;
  /** Burst is allowed while the average rate is below the threshold. */
  readonly thresholdDownloadBps: number;
  readonly thresholdUploadBps: number;
  readonly seconds: number;
};

/** How long a grant lasts: calendar months keep the day of the month where the month has it (31 Jan → 28 Feb). */
export type Period = { readonly days: number } | { readonly months: number };

/** Whether its price is one for a month, so that a subscription can be billed for it month after month. */
export const isMonthly = (period: Period): boolean =>
  'months' in period ? period.months === 1 : period.days >= 28 && period.days <= 31;

/** Whether two plans give the line the same terms (rate, burst and profile), whatever they are called and cost. */
export function samePlanTerms(one: Plan, other: Plan): boolean {
  return one === other || (one.profile === other.profile && sameRate(one.rate, other.rate));
}

export function sameRate(one: Rate, other: Rate): boolean {
  return (
    one === other ||
    (one.downloadBps === other.downloadBps && one.uploadBps === other.uploadBps && sameBurst(one.burst, other.burst))
  );
}

function sameBurst(one: Burst | null, other: Burst | null): boolean {
  if (one === null || other === null) return one === other;
  return (
    one.downloadBps === other.downloadBps &&
    one.uploadBps === other.uploadBps &&
    one.thresholdDownloadBps === other.thresholdDownloadBps &&
    one.thresholdUploadBps === other.thresholdUploadBps &&
    one.seconds === other.seconds
  );
}
