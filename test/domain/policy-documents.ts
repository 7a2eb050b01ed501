/** Policy documents for tests: checked as the product checks them. */
import fc from 'fast-check';
import {
  type AcceptedOutcome,
  InvalidPolicy,
  NAS_VENDORS,
  type Outcome,
  type Policy,
  type PolicyAttribute,
  parsePolicy,
  type Rule,
} from '#domain/policy';
import { checkPolicy, type Fault, type PolicyCheck } from '#domain/policy-document';
import { policyDictionary } from '#radius/policy-dictionary';
import { condition } from '#test/domain/generate';

export const ZONE = 'Asia/Jakarta';
export const check = (text: string, zone = ZONE): PolicyCheck => checkPolicy(text, zone, policyDictionary);

/** A fault as one line: `4:11 "coverd" is no condition → did you mean covered?`; with where it ends: `4:11-20`. */
export const line = ({ line, column, endColumn, what, fix }: Fault): string =>
  `${line}:${column}${endColumn === undefined ? '' : `-${endColumn}`} ${what}${fix === null ? '' : ` → ${fix}`}`;
/** Each fault with the characters that it is about: `coverd: "coverd" is no condition → did you mean covered?`. */
export function underlined(text: string, faults = check(text).faults): string[] {
  const lines = text.split('\n');
  return faults.map(({ line, column, endColumn, what, fix }) => {
    const under = lines[line - 1]!.slice(column - 1, endColumn === undefined ? undefined : endColumn - 1);
    return `${under}: ${what}${fix === null ? '' : ` → ${fix}`}`;
  });
}

/** A document of one rule. */
export const rule = (when: string, give = 'denied'): string =>
  `rules:\n  - name: r\n    when: ${when}\n    give: ${give}\n`;

// At random

const name = fc.oneof(
  fc.constantFrom(
    'plan',
    'none',
    'no',
    'null',
    '~',
    '1e3',
    '007',
    '#x',
    '*x',
    '&x',
    '!x',
    '-',
    '{}',
    'a:b',
    "it's",
    '"',
  ),
  fc.stringMatching(/^[!-~]{1,63}$/),
);
const label = fc
  .oneof(
    fc.constantFrom('siti', 'true', '2026-11-21', 'a: b', 'x #y', ' - ', '50% of plan', 'naïve 🙂', 'rule "a" \'b\''),
    fc
      .string({ minLength: 1, maxLength: 100, unit: 'grapheme' })
      .filter((text) => text.length <= 100 && /^[^\p{Cc}\p{Cs}]+$/u.test(text)),
  )
  .map((text) => text.trim())
  .filter((text) => text !== '');
const bps = fc.oneof(fc.constantFrom(1000, 128_000, 1_500_000, 20_000_000, 1e12), fc.integer({ min: 1000, max: 1e12 }));
const both = fc.tuple(bps, bps);
const span = fc.oneof(fc.constantFrom(60, 300, 3600, 7200, 86_400), fc.integer({ min: 60, max: 86_400 }));

const rate: fc.Arbitrary<AcceptedOutcome['rate']> = fc.oneof(
  fc.constant({ is: 'plan' } as const),
  fc
    .oneof(fc.constantFrom(0.5, 0.3, 1, 2, 0.1 + 0.2, 100), fc.double({ min: 1e-9, max: 100, noNaN: true }))
    .map((share) => ({ is: 'share' as const, share })),
  fc
    .record({ limit: both, over: both, below: both, seconds: fc.integer({ min: 1, max: 600 }), bursts: fc.boolean() })
    .map(({ limit, over, below, seconds, bursts }) => ({
      is: 'fixed' as const,
      downloadBps: limit[0],
      uploadBps: limit[1],
      burst: bursts
        ? {
            downloadBps: over[0],
            uploadBps: over[1],
            thresholdDownloadBps: below[0],
            thresholdUploadBps: below[1],
            seconds,
          }
        : null,
    })),
);

const attribute: fc.Arbitrary<PolicyAttribute> = fc.record({
  name: fc.constantFrom('Filter-Id', 'Reply-Message', 'Framed-Route', 'filter-id'),
  value: fc.constantFrom(
    '{username}',
    '{download-kbps}/{upload-kbps}',
    '{{',
    'no',
    '0',
    ' a ',
    'a: b # c',
    '10.0.0.0/8',
  ),
  vendor: fc.constantFrom(null, ...NAS_VENDORS),
});

/** In the order in which they are written: for all first, those of one name together. */
const inOrder = (all: readonly PolicyAttribute[]): PolicyAttribute[] =>
  [null, ...NAS_VENDORS].flatMap((vendor) => {
    const of = all.filter((one) => one.vendor === vendor);
    return [...new Set(of.map(({ name }) => name))].flatMap((name) => of.filter((one) => one.name === name));
  });

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.constant<Outcome>({ access: 'denied' }),
  fc.record({
    access: fc.constantFrom('full' as const, 'reduced' as const, 'walled' as const),
    rate,
    addressList: name,
    profile: fc.oneof(
      fc.constantFrom(null, { is: 'plan' as const }),
      name.map((one) => ({ is: 'named' as const, name: one })),
    ),
    pool: fc.option(name),
    idleSeconds: fc.option(span),
    interimSeconds: span,
    attributes: fc.array(attribute, { maxLength: 5 }).map(inOrder),
  }),
);

const rules: fc.Arbitrary<Rule[]> = fc.uniqueArray(fc.record({ name: label, when: condition(true), give: outcome }), {
  minLength: 1,
  maxLength: 5,
  selector: (one) => one.name,
});

/** Policies as they can be stored, odd names and all. */
export const storable: fc.Arbitrary<Policy> = rules
  .map((rules) => ({ zone: ZONE, rules }))
  .filter((policy) => {
    try {
      parsePolicy(policy);
      return true;
    } catch (error) {
      if (error instanceof InvalidPolicy) return false;
      throw error;
    }
  });
