import { z } from 'zod';
import { parseRupiah } from '#domain/money';
import { parseBytes, parsePeriod, parseRate } from '#domain/parse';
import type { Burst, Rate } from '#domain/plan';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { entityName, parsedBy } from '#operations/fields';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import { addPlanRevision } from '#storage/plans';

const rate = (whose: string) => parsedBy(parseRate, say`the ${whose} rate in bits/s, for example 20M, 1.5M or 512k`);

const BURST = say`"DOWN/UP THRESHOLD-DOWN/THRESHOLD-UP SECONDS", for example "40M/40M 15M/15M 16"`;

/** Speeds, of a plan or of a speed profile. */
export const speedFields = {
  down: rate(say`subscriber's download`),
  up: rate(say`subscriber's upload`),
  burst: parsedBy(parseBurst, BURST).nullable().default(null).describe(BURST),
  profile: z
    .string()
    .regex(/^[^\p{Cc}]+$/u)
    // Mikrotik-Group is a vendor attribute: 253 octets less 6 of the vendor's head.
    .refine((text) => Buffer.byteLength(text) <= 247)
    .nullable()
    .default(null)
    .describe(say`the name of a PPP profile on the router, for example prepaid-20mbps`),
};

/** What is sold for the price. */
export const offerFields = {
  quota: parsedBy(parseBytes, '')
    .nullable()
    .default(null)
    .describe(
      say`the bytes it allows, up and down together, for example 20GB (20480 MB of 2^20); leave it out for no limit`,
    ),
  period: parsedBy(parsePeriod, say`day, week, month or a number of days, for example 30d`),
  price: parsedBy(parsePrice, say`whole rupiah, for example 75000`),
};

export const addPlanSchema = z.object({
  name: entityName('prepaid-20mbps'),
  down: speedFields.down,
  up: speedFields.up,
  burst: speedFields.burst,
  ...offerFields,
  profile: speedFields.profile,
});

export type AddedPlan = { readonly name: string; readonly revision: number; readonly warnings: readonly string[] };

/**
 * Adds a plan; with the name of one that is there already it adds the next revision of it. What was sold stays as it
 * was: grants keep the revision they were given.
 *
 * @throws InvalidInput for wrong fields
 */
export async function addPlan(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<AddedPlan> {
  const plan = parseInput(addPlanSchema, input);
  const { name, down: downloadBps, up: uploadBps, burst } = plan;
  const terms = {
    rate: { downloadBps, uploadBps, burst },
    allowanceBytes: plan.quota,
    period: plan.period,
    priceRupiah: plan.price,
    profile: plan.profile,
  };
  const { revision } = await change(desk.db, { actor: desk.actor, why: 'add plan', detail: { name, ...terms } }, (tx) =>
    addPlanRevision(tx, name, terms),
  );
  return { name, revision, warnings: oddBurst(terms.rate) };
}

/** A warning for a burst that would brake. */
export function oddBurst(of: Rate): string[] {
  if (of.burst === null) return [];
  if (of.burst.downloadBps >= of.downloadBps && of.burst.uploadBps >= of.uploadBps) return [];
  return [say`the burst rate is below the plan rate: RouterOS would slow the line down with it`];
}

/** `40M/40M 15M/15M 16`: burst rates, thresholds, seconds, each pair download first; null for anything else. */
function parseBurst(text: string): Burst | null {
  const match = /^(\S+)\/(\S+)\s+(\S+)\/(\S+)\s+(\d{1,3})s?$/.exec(text.trim());
  if (match === null) return null;
  const rates = match.slice(1, 5).map(parseRate);
  const seconds = Number(match[5]);
  if (rates.includes(null) || seconds < 1) return null;
  const [downloadBps, uploadBps, thresholdDownloadBps, thresholdUploadBps] = rates as [number, number, number, number];
  return { downloadBps, uploadBps, thresholdDownloadBps, thresholdUploadBps, seconds };
}

function parsePrice(text: string): number | null {
  const rupiah = parseRupiah(text);
  return rupiah === null || rupiah < 0 ? null : rupiah;
}
