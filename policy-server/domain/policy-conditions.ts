/** How the conditions of `policy.ts` are written, in words of a network engineer. */
import type { z } from 'zod';
import { nearest } from '#domain/nearest';
import { type Condition, MOST_OPENINGS_A_DAY, NAS_VENDORS } from '#domain/policy';
import { type Inside, list, map, quoted, readBy, word } from '#domain/policy-schema';
import { clock, count, days, label, period, used } from '#domain/policy-values';
import { say } from '#domain/say';
import { WEEKDAYS } from '#domain/time';

/** Conditions that are one word. */
export const WORDS: Readonly<Record<string, { readonly means: Condition; readonly description: string }>> = {
  always: { means: { is: 'all', of: [] }, description: 'Every subscriber, at every time.' },
  covered: { means: { is: 'covered' }, description: 'A package is in force.' },
  'allowance left': {
    means: { is: 'allowance-left' },
    description: 'A package in force is unlimited or has something left of its allowance.',
  },
  suspended: { means: { is: 'suspended' }, description: 'Suspended by somebody of the staff.' },
  'had cover': { means: { is: 'had-cover' }, description: 'No package is in force now, but one was.' },
};

/** Every condition, a word or a map; `FORMS` has the maps by the key that tells them. */
export const condition: z.ZodType<Condition> = readBy({ named: 'condition', write: 'covered' }, readCondition);

const SEVERAL = '[covered, allowance left]';
const conditions = (description: string) =>
  list(condition, { least: 1, most: 100, write: SEVERAL }).meta({ description, write: SEVERAL });

const PLAN = {
  description: 'The package that serves has this name; of who has none in force, the one that ended last.',
  write: '"Home 20"',
};

const windowForm = map(
  {
    from: clock('00:00'),
    to: clock('24:00'),
    days: list(word({ description: 'Days on which it begins; without, every day.', write: 'sat' }, WEEKDAYS), {
      least: 1,
      most: 7,
      write: '[sat, sun]',
    })
      .optional()
      .meta({ description: 'The days on which it begins; without, every day.', write: '[sat, sun]' }),
  },
  '{from: "22:00", to: "06:00"}',
)
  .superRefine(({ from, to, days }, context) => {
    const wrong = (path: string[], what: string, fix: string) =>
      context.addIssue({ code: 'custom', path, message: `${what}\n${fix}` });
    if (to === '00:00') wrong(['to'], say`a window cannot end at 00:00`, say`write 24:00 for midnight`);
    else if (from === to) wrong(['to'], say`the window ends when it begins`, say`write 00:00 to 24:00 for a whole day`);
    else if (from === '00:00' && to === '24:00' && (days === undefined || new Set(days).size === 7))
      wrong([], say`all hours of all days are no window`, say`write always, or leave the condition out`);
  })
  .meta({
    description: "A span of the day on the company's clock; past midnight when it ends earlier than it begins.",
    write: '{from: "22:00", to: "06:00", days: [fri, sat]}',
  });

const payingForm = map(
  {
    minutes: count('(?:m|minutes?)', 1, 60, { description: 'How long it stays open.', write: '15' }),
    'times a day': count('(?:x|times)', 1, MOST_OPENINGS_A_DAY, {
      description: 'How often in a local day it opens.',
      write: '3',
    }),
  },
  '{minutes: 15, times a day: 3}',
).meta({
  description: 'The subscriber opened the line to pay, on the portal, not longer ago than that.',
  write: '{minutes: 15, times a day: 3}',
});

/** A condition that is a map of one key. */
const form = <K extends string, T>(key: K, value: z.ZodType<T>, means: (given: T) => Condition) =>
  map({ [key]: value } as Record<K, z.ZodType<T>>, key).transform((given) => means((given as Record<K, T>)[key]));

/** Conditions that are a map, by the key that tells them; what they come out as is the condition. */
export const FORMS = {
  all: form('all', conditions('Every one of these holds.'), (of) => ({ is: 'all', of })),
  any: form('any', conditions('At least one of these holds.'), (of) => ({ is: 'any', of })),
  not: form('not', condition.meta({ description: 'This does not hold.', write: 'covered' }), (of) => ({
    is: 'not',
    of,
  })),
  used: map({ used, per: period.optional() }, 'used').transform(
    ({ used, per = null }): Condition =>
      'share' in used ? { is: 'fair-use-share', share: used.share, per } : { is: 'fair-use', bytes: used.bytes, per },
  ),
  window: form('window', windowForm, ({ from, to, days }) => ({
    is: 'window',
    from,
    to,
    ...(days === undefined ? {} : { days }),
  })),
  grace: form(
    'grace',
    days(1, 'No package is in force, and the last ended less than so many days of 24 hours ago.'),
    (days) => ({ is: 'grace', days }),
  ),
  overdue: form(
    'overdue',
    days(0, 'The oldest open invoice was due so many days of 24 hours ago, or longer.'),
    (days) => ({ is: 'overdue', days }),
  ),
  paying: form('paying', payingForm, ({ minutes, 'times a day': timesADay }) => ({ is: 'paying', minutes, timesADay })),
  billing: form(
    'billing',
    word({ description: 'How the subscriber is billed.', write: 'postpaid' }, ['prepaid', 'postpaid']),
    (billing) => ({ is: 'billing', billing }),
  ),
  plan: form('plan', label(PLAN, 200), (name) => ({ is: 'plan', name })),
  tag: form('tag', label({ description: 'The subscriber has this tag.', write: 'vip' }), (tag) => ({ is: 'tag', tag })),
  nas: form('nas', label({ description: 'The router that asks has this name.', write: 'tower-north' }), (name) => ({
    is: 'nas',
    name,
  })),
  'nas tag': form('nas tag', label({ description: 'The router that asks has this tag.', write: 'hotspot' }), (tag) => ({
    is: 'nas-tag',
    tag,
  })),
  'nas vendor': form(
    'nas vendor',
    word({ description: 'The make of the router that asks.', write: 'mikrotik' }, NAS_VENDORS),
    (vendor) => ({ is: 'nas-vendor', vendor }),
  ),
} satisfies Record<string, z.ZodType<Condition>>;

const isForm = (key: string): key is keyof typeof FORMS => Object.hasOwn(FORMS, key);
const isWord = (key: string): boolean => Object.hasOwn(WORDS, key);

function readCondition(given: unknown, { fault, read }: Inside): Condition | undefined {
  if (given === null) return undefined;
  if (typeof given === 'string') return isWord(given) ? WORDS[given]!.means : unknownWord(given, fault);
  if (Array.isArray(given)) {
    fault([], say`a list is no condition`, say`write {all: [...]} if each must hold, {any: [...]} if one is enough`);
    return undefined;
  }
  const keys = Object.keys(given as object);
  const [form, second] = keys.filter(isForm);
  if (second !== undefined)
    fault(
      [second],
      say`"${form}" and "${second}" are two conditions`,
      say`write {all: [{${form}: ...}, {${second}: ...}]}`,
      { at: 'key' },
    );
  else if (form !== undefined) return read(FORMS[form], given, []);
  else for (const key of keys.length === 0 ? [''] : keys.slice(0, 1)) unknownKey(key, fault);
  return undefined;
}

function unknownWord(given: string, fault: Inside['fault']): undefined {
  const what = say`"${quoted(given)}" is no condition`;
  const not = /^not (.+)$/.exec(given)?.[1];
  const near = nearest(given, [...Object.keys(WORDS), ...Object.keys(FORMS)]);
  if (isForm(given)) fault([], say`"${given}" needs a value`, say`write {${given}: ...}`);
  else if (not !== undefined && isWord(not)) fault([], what, say`write {not: ${not}}`);
  else if (near !== null) fault([], what, say`did you mean ${near}?`);
  else fault([], what, say`the conditions are: ${[...Object.keys(WORDS), ...Object.keys(FORMS)].join(', ')}`);
}

function unknownKey(key: string, fault: Inside['fault']): void {
  const what = say`"${quoted(key)}" is no condition`;
  const near = nearest(key, [...Object.keys(FORMS), ...Object.keys(WORDS)]);
  if (isWord(key)) fault([key], say`"${key}" is a condition by itself`, say`write ${key} alone`, { at: 'key' });
  else if (near !== null) fault([key], what, say`did you mean ${near}?`, { at: 'key' });
  else
    fault([key], what, say`the conditions are: ${[...Object.keys(WORDS), ...Object.keys(FORMS)].join(', ')}`, {
      at: 'key',
    });
}
