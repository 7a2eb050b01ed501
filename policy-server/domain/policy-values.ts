/** How the values in a policy document are written: rates, amounts, spans, periods, names. */
import { nearest } from '#domain/nearest';
import { parseBytes, parseRate } from '#domain/parse';
import type { Rate } from '#domain/plan';
import { LONGEST_GRACE_DAYS, type RateChoice, USAGE_ANCHORS, USAGE_SPANS, type UsagePeriod } from '#domain/policy';
import { type Meaning, text, writeSo } from '#domain/policy-schema';
import { say } from '#domain/say';

const NUMBER = String.raw`\d+(?:\.\d+)?(?:e-\d+)?`;

/** `300`, `90 seconds`, `5 minutes`, `1h`. Null for anything else. */
export function parseSeconds(given: string): number | null {
  const match = /^(\d{1,6})\s*(?:(s|seconds?)|(m|minutes?)|(h|hours?))?$/.exec(given.trim());
  if (match === null) return null;
  return Number(match[1]) * (match[4] !== undefined ? 3600 : match[3] !== undefined ? 60 : 1);
}

const between = (value: number | null, least: number, most: number): number | null =>
  value !== null && Number.isInteger(value) && value >= least && value <= most ? value : null;

export const seconds = (meaning: Meaning) =>
  text(
    meaning,
    (given) => between(parseSeconds(given), 60, 86_400),
    (given) => ({ what: say`"${given}" is no span from 1 minute to 24 hours`, fix: writeSo('5 minutes') }),
  );

/** A whole number with its unit, where one may stand. */
export const count = (unit: string, least: number, most: number, meaning: Meaning) =>
  text(
    meaning,
    (given) => {
      const match = new RegExp(String.raw`^(\d{1,10})(?:\s*${unit})?$`).exec(given.trim());
      return match === null ? null : between(Number(match[1]), least, most);
    },
    (given) => ({
      what: say`"${given}" is no whole number from ${least} to ${most}`,
      fix: writeSo(meaning.write),
    }),
  );

export const days = (least: number, description: string) =>
  count('(?:d|days?)', least, LONGEST_GRACE_DAYS, { description, write: '3 days' });

/** What a name on a router may be. */
export const routerName = (meaning: Meaning) =>
  text(
    meaning,
    (given) => (/^[!-~]{1,63}$/.test(given) ? given : null),
    (given) => ({
      what: say`"${given}" is no name for a router`,
      fix: say`use 1 to 63 letters, digits and signs, without spaces`,
    }),
  );

/** A name that people gave to something of ours. */
export const label = (meaning: Meaning, most = 100) =>
  text(
    meaning,
    (given) => (given.trim() !== '' && given.trim().length <= most ? given.trim() : null),
    (given) => ({ what: say`"${given}" is no name`, fix: say`write 1 to ${most} characters` }),
  );

/** `20M/10M`, `20M/10M burst 40M/20M below 15M/10M for 8s`: download first, as the subscriber sees it; one for both ways. */
export function parseWholeRate(given: string): Rate | null {
  const match = RATE.exec(given.trim());
  if (match === null) return null;
  const [, rate = '', burst, below = '', seconds = ''] = match;
  const limit = both(rate);
  if (limit === null) return null;
  if (burst === undefined) return { ...limit, burst: null };
  const [over, under, during] = [both(burst), both(below), between(parseSeconds(seconds), 1, 600)];
  if (over === null || under === null || during === null) return null;
  const { downloadBps: thresholdDownloadBps, uploadBps: thresholdUploadBps } = under;
  return { ...limit, burst: { ...over, thresholdDownloadBps, thresholdUploadBps, seconds: during } };
}

const RATE = /^(\S+)(?: burst (\S+) below (\S+) for (.+))?$/;

function both(given: string): { downloadBps: number; uploadBps: number } | null {
  const [down = '', up = down, ...more] = given.split('/');
  const [downloadBps, uploadBps] = [between(parseRate(down), 1000, 1e12), between(parseRate(up), 1000, 1e12)];
  return downloadBps === null || uploadBps === null || more.length > 0 ? null : { downloadBps, uploadBps };
}

const RATE_WRITE = '20M/10M';
const RATE_FIX = () =>
  say`write download/upload such as 20M/10M, with a burst 20M/10M burst 40M/20M below 15M/8M for 8s`;

export const rate = text<RateChoice>(
  {
    description:
      "The speed limit: `plan`, a part of it (`50% of plan`, `plan x 2`; its burst too), or one of its own as download/upload from the subscriber's side (`20M/10M`, `128k`, `20M/10M burst 40M/20M below 15M/8M for 8s`).",
    write: 'plan',
  },
  (given) => {
    if (given === 'plan') return { is: 'plan' };
    const share = shareOf(given, 'of plan') ?? (TIMES.test(given) ? Number(given.slice('plan x '.length)) : null);
    if (share !== null) return share > 0 && share <= 100 ? { is: 'share', share } : null;
    const fixed = parseWholeRate(given);
    return fixed === null ? null : { is: 'fixed', ...fixed };
  },
  (given) => {
    const near = nearest(given, ['plan', '50% of plan', 'plan x 2']);
    return {
      what: say`"${given}" is no rate`,
      fix: near === null ? RATE_FIX() : say`did you mean ${near}?`,
    };
  },
);

const TIMES = new RegExp(`^plan x ${NUMBER}$`);

/** `80%`, `80% of …`, `0.8 of …`, as a share. */
function shareOf(given: string, of: string): number | null {
  const match = new RegExp(`^(?:(${NUMBER})%(?: ${of})?|(${NUMBER}) ${of})$`).exec(given);
  if (match === null) return null;
  return match[1] === undefined ? Number(match[2]) : Number(match[1]) / 100;
}

/** A rate by itself, as a plan or an expected outcome has one. */
export const plainRate = text<Rate>(
  { description: 'A speed limit, download/upload.', write: RATE_WRITE },
  parseWholeRate,
  (given) => ({ what: say`"${given}" is no rate`, fix: RATE_FIX() }),
);

/** An amount of data in units of 2^10. */
export const volume = (meaning: Meaning, least = 1) =>
  text(
    meaning,
    (given) => (least === 0 && given === '0' ? 0 : parseBytes(given)),
    (given) => ({ what: say`"${given}" is no amount of data`, fix: writeSo('100GB or 1.5GB') }),
  );

export const used = text<{ bytes: number } | { share: number }>(
  {
    description:
      'So much or more was used of the packages in force, up and down together: an amount, or a part of the allowance. With `per`, in the period that runs; without, since the package began.',
    write: '100GB',
  },
  (given) => {
    const share = shareOf(given, 'of allowance');
    if (share !== null) return share > 0 && share <= 1 ? { share } : null;
    const bytes = parseBytes(given);
    return bytes === null ? null : { bytes };
  },
  (given) => ({
    what: say`"${given}" is no amount of data`,
    fix: writeSo('100GB, or 80% of the allowance'),
  }),
);

/** `day`, `week from calendar`, `month from renewal`. Null for anything else. */
export function parseUsagePeriod(given: string): UsagePeriod | null {
  const [every, from = 'calendar'] = given.split(' from ');
  return (
    USAGE_SPANS.flatMap((span) => USAGE_ANCHORS.map((anchor): UsagePeriod => ({ every: span, from: anchor }))).find(
      (one) => one.every === every && one.from === from,
    ) ?? null
  );
}

export const period = text<UsagePeriod>(
  {
    description:
      "`day`, `week` (from Monday) or `month` of the company's calendar; `day from renewal`, `week from renewal`, `month from renewal` count from the day and time at which the package began.",
    write: 'month from renewal',
  },
  parseUsagePeriod,
  (given) => {
    const near = nearest(
      given,
      USAGE_SPANS.flatMap((span) => [span, `${span} from renewal`, `${span} from calendar`]),
    );
    const all = say`write day, week or month, or for example month from renewal`;
    return { what: say`"${given}" is no period`, fix: near === null ? all : say`did you mean ${near}?` };
  },
);

export const clock = (midnight: '00:00' | '24:00') =>
  text(
    {
      description:
        midnight === '00:00' ? 'Begins (00:00 to 23:59).' : 'Ends (to 24:00); earlier than `from` = past midnight.',
      write: '"22:00"',
    },
    (given) => (/^([01]\d|2[0-3]):[0-5]\d$/.test(given) || given === midnight ? given : null),
    (given) => ({
      what: say`"${given}" is no time of day`,
      fix: /^\d:\d\d$/.test(given) ? say`write 0${given}` : writeSo('06:00'),
    }),
  );
