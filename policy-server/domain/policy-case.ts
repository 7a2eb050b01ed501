/** How the cases of a policy document are written: what is given at an instant, and what is expected of it. */
import { z } from 'zod';
import { parseBytes } from '#domain/parse';
import { NAS_VENDORS, type UsagePeriod } from '#domain/policy';
import { list, map, readBy, text, word, writeSo } from '#domain/policy-schema';
import { label, parseUsagePeriod, period, plainRate, seconds, volume } from '#domain/policy-values';
import { say } from '#domain/say';
import { type Instant, instantOfLocal, NEVER, parseInstant } from '#domain/time';

export const MOST_CASES = 200;

/** An instant as it is written; in a zone it is one. */
type Written = (zone: string) => Instant;

/** `2026-11-21 01:00` on a zone's wall clock, a date alone, or ISO 8601 with its offset. Null for anything else. */
export function parseLocal(given: string, zone: string): Instant | null {
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d)?$/.exec(given.trim());
  if (match === null) return parseInstant(given, zone);
  const local = parseInstant(`${match[1]}T${match[2]}${match[3] ?? ''}Z`, zone);
  return local === null ? null : instantOfLocal(local, zone);
}

const instant = (description: string, orNever = false) =>
  text<Written>(
    { description, write: '2026-11-21 01:00' },
    (given) => {
      if (orNever && given === 'never') return () => NEVER;
      return parseLocal(given, 'UTC') === null ? null : (zone) => parseLocal(given, zone)!;
    },
    (given) => ({ what: say`"${given}" is no date with a time`, fix: writeSo('2026-11-21 01:00') }),
  );

/** One of two ways to write something, told apart by whether it is a map. */
function textOrMap<T, M>(asText: z.ZodType<T>, asMap: z.ZodType<M>, write: string) {
  return readBy<T | M>({ anyOf: [asText, asMap], write }, (given, inside) =>
    inside.read<T | M>(
      typeof given === 'object' && given !== null && !Array.isArray(given) ? asMap : asText,
      given,
      [],
    ),
  );
}

const planMap = map(
  {
    rate: plainRate,
    name: label({ description: 'For conditions that ask for a plan.', write: '"Home 20"' }, 200).optional(),
    profile: label({ description: 'Its PPP profile; without, none.', write: 'home-20' }, 63).optional(),
  },
  '{rate: 20M/10M, name: "Home 20"}',
);

const usedPer = readBy<readonly { readonly period: UsagePeriod; readonly bytes: number }[]>(
  { anyOf: [z.record(z.string(), z.string())], write: '{day: 2GB}' },
  (given, inside) => {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      inside.fault([], say`periods with amounts are needed here`, writeSo('{day: 2GB}'));
      return undefined;
    }
    return Object.entries(given).flatMap(([key, amount]) => {
      const bytes = inside.read(volume({ description: '', write: '2GB' }, 0), amount, [key]);
      const which = parseUsagePeriod(key);
      if (which === null) inside.read(period, key, [key]);
      return bytes === undefined || which === null ? [] : [{ period: which, bytes }];
    });
  },
);

const grantShape = {
  plan: textOrMap(plainRate, planMap, '20M/10M').meta({
    description: 'What was bought: its rate, or {rate, name, profile}. Without, there is no package.',
    write: '20M/10M',
  }),
  allowance: text<number | 'unlimited'>(
    { description: 'Of the package. Without, unlimited.', write: '200GB' },
    (given) => (given === 'unlimited' ? given : parseBytes(given)),
    (given) => ({ what: say`"${given}" is no amount of data`, fix: writeSo('200GB, or unlimited') }),
  ).optional(),
  used: volume({ description: 'Of the package since it began. Without, nothing.', write: '10GB' }, 0).optional(),
  'used per': usedPer
    .optional()
    .meta({ description: 'How much of it in the periods that run, where a rule asks for that.', write: '{day: 2GB}' }),
  since: instant(
    'When the package began. Without, 30 days before `at`, or before `until` where that is earlier.',
  ).optional(),
  until: instant('When it ends. Without, 30 days after `at`.').optional(),
};
const { plan: planField, ...restOfGrant } = grantShape;
const grantForm = map(grantShape, '{plan: 20M/10M}');

const nasMap = map(
  {
    name: label({ description: 'Its name.', write: 'tower-north' }),
    tags: list(label({ description: 'A tag.', write: 'hotspot' }), { most: 50, write: '[hotspot]' }).optional(),
    vendor: word({ description: 'Its make.', write: 'mikrotik' }, NAS_VENDORS).optional(),
  },
  '{name: tower-north, tags: [hotspot]}',
);

export const givenForm = map(
  {
    plan: planField.optional(),
    ...restOfGrant,
    packages: list(grantForm, { most: 10, write: '[{plan: 20M/10M}]' })
      .optional()
      .meta({ description: 'Further packages, each with the keys above.', write: '[{plan: 50M, until: 2026-11-22}]' }),
    username: label({ description: 'Without, `subscriber`.', write: 'siti' }).optional(),
    billing: word({ description: 'Without, prepaid.', write: 'postpaid' }, ['prepaid', 'postpaid']).optional(),
    tags: list(label({ description: 'A tag.', write: 'vip' }), { most: 50, write: '[vip]' })
      .optional()
      .meta({ description: "The subscriber's tags.", write: '[vip]' }),
    suspended: instant('Since when the subscriber is suspended.').optional(),
    'owes since': instant('When the oldest open invoice was due.').optional(),
    opened: list(instant('When the line was opened to pay.'), { most: 50, write: '[2026-11-21 00:55]' })
      .optional()
      .meta({ description: 'When the line was opened to pay.', write: '[2026-11-21 00:55]' }),
    nas: textOrMap(
      label({ description: 'The name of the router that asks.', write: 'tower-north' }),
      nasMap,
      'tower-north',
    )
      .optional()
      .meta({
        description: 'The router that asks: its name, or {name, tags, vendor}. Without, none.',
        write: 'tower-north',
      }),
  },
  '{plan: 20M/10M, allowance: 200GB, used: 10GB}',
);

const orNone = (description: string, write: string) =>
  label({ description: `${description} \`none\` for none.`, write });
const phrase = label({ description: 'A phrase of the reasons.', write: '\'rule "night boost"\'' }, 200);

export const expectForm = map(
  {
    access: word({ description: 'What access it gives.', write: 'full' }, [
      'full',
      'reduced',
      'walled',
      'denied',
    ]).optional(),
    rate: plainRate.optional(),
    list: orNone('The address-list.', 'prepaid-active').optional(),
    profile: orNone('The PPP profile.', 'home-20').optional(),
    pool: orNone('The address pool.', 'pool-walled').optional(),
    idle: seconds({ description: 'The idle timeout.', write: '10 minutes' }).optional(),
    interim: seconds({ description: 'The interval of interim updates.', write: '5 minutes' }).optional(),
    attributes: z
      .record(z.string(), label({ description: 'Its value, filled in.', write: 'siti' }, 253))
      .optional()
      .meta({
        description: 'Extra attributes by name, filled in; others may be there too.',
        write: '{Filter-Id: siti}',
      }),
    rule: label({ description: 'The rule that decides; `none` where none does.', write: 'night boost' }).optional(),
    because: readBy<readonly string[]>(
      { anyOf: [phrase, z.array(phrase)], write: 'rule "night boost"' },
      (given, { read }) =>
        Array.isArray(given)
          ? read(list(phrase, { least: 1, most: 20, write: '' }), given, [])
          : [read(phrase, given, [])].filter((one) => one !== undefined),
    )
      .optional()
      .meta({
        description: 'A phrase, or several, that must be among the reasons as `gerbang policy test` prints them.',
        write: '\'rule "night boost"\'',
      }),
    until: instant('When this may change next; `never` where time alone changes nothing.', true).optional(),
  },
  '{access: full, rate: 40M/20M}',
);

export const caseForm = map(
  {
    name: label({ description: 'What the case shows.', write: 'at night twice the speed' }),
    given: givenForm.meta({ description: 'The subscriber.', write: '{plan: 20M/10M}' }),
    at: instant("The instant, on the company's clock.").meta({ write: '2026-11-21 01:00' }),
    expect: expectForm.meta({ description: 'What must come of it.', write: '{access: full}' }),
  },
  '{name: at noon, given: {plan: 20M/10M}, at: 2026-11-21 12:00, expect: {access: full}}',
);
export type Case = z.infer<typeof caseForm>;
export type Given = Case['given'];
export type GivenGrant = z.infer<typeof grantForm>;
