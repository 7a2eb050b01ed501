/** Says decisions, reasons and quantities in words, for logs, transcripts, `explain` and pages. */
import type { Decision, Reason } from '#domain/decision';
import type { Period, Rate } from '#domain/plan';
import type { UsagePeriod } from '#domain/policy';
import { printInByteUnits, zoneName } from '#domain/print-local';
import { FARTHEST, type Instant, NEVER, wallClock } from '#domain/time';

export { printRupiah } from '#domain/money';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `20 Nov 2026 18.00 WIB`, or `never`. To the minute. */
export function printInstant(at: Instant, zone: string): string {
  if (Math.abs(at) > FARTHEST) return at > 0 ? 'never' : 'always';
  const { year, month, day, hour, minute } = wallClock(at, zone);
  return `${day} ${MONTHS[month - 1]} ${year} ${two(hour)}.${two(minute)} ${zoneName(at, zone)}`;
}

/** The same with seconds, and milliseconds where there are any: `20 Nov 2026 18.00.00 WIB`. */
export function printInstantExactly(at: Instant, zone: string): string {
  if (Math.abs(at) > FARTHEST) return printInstant(at, zone);
  const { year, month, day, hour, minute, second, millisecond } = wallClock(at, zone);
  const fraction = millisecond === 0 ? '' : `,${String(millisecond).padStart(3, '0')}`;
  const time = `${two(hour)}.${two(minute)}.${two(second)}${fraction}`;
  return `${day} ${MONTHS[month - 1]} ${year} ${time} ${zoneName(at, zone)}`;
}

/** Bits per second as `parseRate` reads them back exactly: `20M`, `1.5M`, `128k`, `1G`, `1500`. */
export function printBps(bps: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    const text = `${bps / size}${unit}`;
    if (bps >= size && text.length <= 8 && Math.round((bps / size) * size) === bps) return text;
  }
  return String(bps);
}

/** A rate for people, from the subscriber's side: `20 Mbps`, or `20 Mbps down, 10 Mbps up`, with its burst. */
export function printRate(rate: Rate): string {
  const text = pair(rate.downloadBps, rate.uploadBps);
  if (rate.burst === null) return text;
  const { downloadBps, uploadBps, thresholdDownloadBps, thresholdUploadBps, seconds } = rate.burst;
  const threshold = pair(thresholdDownloadBps, thresholdUploadBps);
  return `${text}, burst ${pair(downloadBps, uploadBps)} below ${threshold} for ${seconds} s`;
}

function pair(downloadBps: number, uploadBps: number): string {
  if (downloadBps === uploadBps) return people(downloadBps);
  return `${people(downloadBps)} down, ${people(uploadBps)} up`;
}

function people(bps: number): string {
  const text = printBps(bps).replace('.', ',');
  return /\D$/.test(text) ? `${text.slice(0, -1)} ${text.slice(-1)}bps` : `${text} bps`;
}

/** Bytes for people, units of 2^10, at most two decimals, never rounded up: `20 GB`, `1,5 GB`, `640 MB`, `12 bytes`. */
export function printBytes(bytes: number): string {
  return printInByteUnits(bytes) ?? `${bytes} bytes`;
}

/** `day`, `week`, `month`, `30d`, `3 months`. */
export function printPeriod(period: Period): string {
  if ('months' in period) return period.months === 1 ? 'month' : `${period.months} months`;
  return period.days === 1 ? 'day' : period.days === 7 ? 'week' : `${period.days}d`;
}

/** One reason as a phrase. */
export function printReason(reason: Reason, zone: string): string {
  switch (reason.is) {
    case 'rule':
      return `rule "${reason.name}"`;
    case 'fallback':
      return 'no rule matches';
    case 'suspended':
      return `suspended since ${printInstant(reason.since, zone)}`;
    case 'covered':
      return `covered by "${reason.plan}" until ${printInstant(reason.until, zone)}`;
    case 'never-covered':
      return 'has no package';
    case 'expired':
      return `"${reason.plan}" expired ${printInstant(reason.at, zone)}`;
    case 'not-yet-covered':
      return `"${reason.plan}" begins only ${printInstant(reason.from, zone)}`;
    case 'allowance-left':
      return `${printBytes(reason.leftBytes)} left of ${printBytes(reason.allowanceBytes)}`;
    case 'allowance-spent':
      return `allowance of ${printBytes(reason.allowanceBytes)} is spent (used ${printBytes(reason.usedBytes)})`;
    case 'fair-use':
      return `used ${printBytes(reason.usedBytes)}${printUsagePeriod(reason.per)}, past the fair-use step of ${printBytes(reason.stepBytes)}`;
    case 'window':
      return `the time is between ${reason.from} and ${reason.to}`;
    case 'grace':
      return `in grace until ${printInstant(reason.until, zone)}`;
    case 'overdue':
      return `owes since ${printInstant(reason.since, zone)}`;
    case 'paying':
      return `open to pay until ${printInstant(reason.until, zone)}`;
    case 'billing':
      return `is ${reason.billing}`;
    case 'tag':
      return `has the tag "${reason.tag}"`;
    case 'nas':
      return `dials at ${reason.name}`;
  }
}

/** ` today`, ` this month since the renewal`; nothing where usage counts since the grants began. */
function printUsagePeriod(per: UsagePeriod | null): string {
  if (per === null) return '';
  const now = per.every === 'day' ? 'today' : `this ${per.every}`;
  return per.from === 'calendar' ? ` ${now}` : ` ${per.every === 'day' ? 'this day' : now} of the renewal`;
}

/** A decision in a few lines: what the line gets, how long that holds, and why. */
export function printDecision(decision: Decision, zone: string): string {
  return [
    printOutcome(decision),
    `  holds ${printValidity(decision, zone)}`,
    `  because ${printBecause(decision, zone)}`,
  ].join('\n');
}

/** What the line gets, on one line: `full, 20 Mbps, list prepaid-active, profile prepaid-20mbps`. */
export function printOutcome(decision: Decision): string {
  if (decision.rate === null) return 'denied';
  const parts = [decision.access, printRate(decision.rate), `list ${decision.addressList ?? '-'}`];
  if (decision.profile !== null) parts.push(`profile ${decision.profile}`);
  if (decision.pool !== null) parts.push(`pool ${decision.pool}`);
  if (decision.idleSeconds !== null) parts.push(`idle ${decision.idleSeconds} s`);
  for (const [name, value] of decision.attributes) parts.push(`${name} = ${value}`);
  return parts.join(', ');
}

/** How long it holds: `until 20 Nov 2026 18.00.00 WIB or 20 GB charged`, `for ever`. Charged counts from the first grant ever. */
export function printValidity(decision: Decision, zone: string): string {
  const bounds: string[] = [];
  if (decision.validUntil !== NEVER) bounds.push(`until ${printInstantExactly(decision.validUntil, zone)}`);
  if (decision.validBelow !== Infinity)
    bounds.push(`${bounds.length > 0 ? 'or ' : 'until '}${printBytes(decision.validBelow)} charged`);
  return bounds.join(' ') || 'for ever';
}

/** The reasons on one line. */
export function printBecause(decision: Decision, zone: string): string {
  return decision.because.map((reason) => printReason(reason, zone)).join('; ');
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
