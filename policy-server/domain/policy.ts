/**
 * Policy as data: ordered rules, the first whose condition holds gives the outcome. The conditions are a closed set, each of
 * which knows when it could next change, so that every decision says exactly how long it holds.
 */
import { z } from 'zod';
import { InvalidTemplate, parseTemplate } from '#domain/attribute-template';
import { InvalidInput } from '#domain/errors';
import { parseBytes, parseRate } from '#domain/parse';
import type { Rate } from '#domain/plan';
import { isZone, WEEKDAYS, type Window } from '#domain/time';

export type Policy = {
  /** The company's IANA zone, in which windows are meant. Not part of the stored document: configuration gives it. */
  readonly zone: string;
  readonly rules: readonly Rule[];
};

export type Rule = { readonly name: string; readonly when: Condition; readonly give: Outcome };

export type Condition =
  | { readonly is: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly is: 'not'; readonly of: Condition }
  /** A grant is in force. */
  | { readonly is: 'covered' }
  | { readonly is: 'suspended' }
  /** A grant in force is unlimited or has something left of its allowance. */
  | { readonly is: 'allowance-left' }
  /** Covered, and the grants in force were charged this much or more; `per`: in the period that runs, null = since each began. */
  | { readonly is: 'fair-use'; readonly bytes: number; readonly per: UsagePeriod | null }
  /** The same, as a share (0–1) of the allowances in force together; never reached while one of them is unlimited. */
  | { readonly is: 'fair-use-share'; readonly share: number; readonly per: UsagePeriod | null }
  /** A span of the day on the company's wall clock; `days` are those on which it begins. */
  | ({ readonly is: 'window' } & Window)
  /** Not covered, and the last cover ended less than so many days of 24 hours ago. */
  | { readonly is: 'grace'; readonly days: number }
  /** Not covered now, but was once (within what facts hold: `LONGEST_GRACE_DAYS`). */
  | { readonly is: 'had-cover' }
  /** The plan that serves has this name; of who is not covered the plan that ended last. */
  | { readonly is: 'plan'; readonly name: string }
  /** The oldest unpaid invoice of a postpaid line has been overdue for so many days of 24 hours. */
  | { readonly is: 'overdue'; readonly days: number }
  /** A payment window is open: for so many minutes from its opening, for the first so many openings of a local day. */
  | { readonly is: 'paying'; readonly minutes: number; readonly timesADay: number }
  | { readonly is: 'billing'; readonly billing: 'prepaid' | 'postpaid' }
  /** A tag of the subscriber. */
  | { readonly is: 'tag'; readonly tag: string }
  /** The NAS that asks, by name or by one of its tags; neither holds where no NAS asks. */
  | { readonly is: 'nas'; readonly name: string }
  | { readonly is: 'nas-tag'; readonly tag: string }
  /** The make of the NAS that asks. */
  | { readonly is: 'nas-vendor'; readonly vendor: NasVendor };

/** Makes of NAS that are told the same in different attributes. */
export const NAS_VENDORS = ['mikrotik', 'generic', 'accel-ppp'] as const;
export type NasVendor = (typeof NAS_VENDORS)[number];

/**
 * Spans in which usage is counted anew. `calendar`: days, weeks from Monday and months of the company's zone. `renewal`: as
 * many of them from the grant's beginning, at its local time of day; a month keeps its anchor day through short months.
 */
export type UsagePeriod = { readonly every: 'day' | 'week' | 'month'; readonly from: 'calendar' | 'renewal' };
export const USAGE_SPANS = ['day', 'week', 'month'] as const satisfies readonly UsagePeriod['every'][];
export const USAGE_ANCHORS = ['calendar', 'renewal'] as const satisfies readonly UsagePeriod['from'][];

export type Outcome = { readonly access: 'denied' } | AcceptedOutcome;

export type AcceptedOutcome = {
  readonly access: 'full' | 'reduced' | 'walled';
  readonly rate: RateChoice;
  readonly addressList: string;
  /** PPP profile: the plan's, one by name, or none (the router's default). */
  readonly profile: { readonly is: 'plan' } | { readonly is: 'named'; readonly name: string } | null;
  readonly pool: string | null;
  readonly idleSeconds: number | null;
  readonly interimSeconds: number;
  /** Extra reply attributes in sending order. One for the vendor that asks takes the place of those of its name for every vendor. */
  readonly attributes: readonly PolicyAttribute[];
};

/** `name` as in the dictionary; `value` as `parseTemplate` reads it; `vendor` null = for every one. */
export type PolicyAttribute = { readonly name: string; readonly value: string; readonly vendor: NasVendor | null };

/**
 * The plan's rate with its burst, a share of both, or a fixed one. "The plan" is the one that serves; where nothing is in
 * force (grace), the one that ended last; where there is neither, `WALLED_RATE` stands in.
 */
export type RateChoice =
  | { readonly is: 'plan' }
  | { readonly is: 'share'; readonly share: number }
  | ({ readonly is: 'fixed' } & Rate);

export const MOST_RULES = 200;
/** Of an outcome, of every vendor together. */
export const MOST_ATTRIBUTES = 20;
/** Characters of an attribute's value before its fields are filled in. */
export const LONGEST_ATTRIBUTE = 253;

/** What everybody gets for whom no rule speaks, and where a plan's rate is asked for without a plan: 128k both ways. */
export const WALLED_RATE: Rate = { downloadBps: 128_000, uploadBps: 128_000, burst: null };

/** Seconds between interim updates where a policy does not say: the only live meter of an allowance, so not the RFC's 600. */
export const DEFAULT_INTERIM_SECONDS = 300;

/** The outcome where no rule matches: accepted, so that the portal can be reached, but walled. */
export const FALLBACK: AcceptedOutcome = {
  access: 'walled',
  rate: { is: 'fixed', ...WALLED_RATE },
  addressList: 'prepaid-no-package',
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: DEFAULT_INTERIM_SECONDS,
  attributes: [],
};

/** The longest grace a policy may give: facts must hold grants that ended within so many days of 24 hours. */
export const LONGEST_GRACE_DAYS = 90;

const OVERDUE: Condition = {
  is: 'all',
  of: [
    { is: 'billing', billing: 'postpaid' },
    { is: 'overdue', days: 3 },
  ],
};
const OPEN_TO_PAY: Condition = { is: 'paying', minutes: 15, timesADay: 3 };

/** The most payment windows a policy may give in a day: facts hold so many and no more. */
export const MOST_OPENINGS_A_DAY = 24;

/** What an open payment window gives: enough for a banking app, past the redirect, and no more. */
const PAYING: AcceptedOutcome = {
  ...FALLBACK,
  access: 'reduced',
  rate: { is: 'fixed', downloadBps: 1_000_000, uploadBps: 512_000, burst: null },
  addressList: 'prepaid-paying',
};

/**
 * Suspended: denied. Postpaid and three days overdue, or without a package: walled at 128k, but for a quarter of an hour,
 * three times a day, open to pay. Covered with allowance left: the plan.
 */
export function defaultPolicy(zone = 'Asia/Jakarta'): Policy {
  return {
    zone,
    rules: [
      { name: 'suspended', when: { is: 'suspended' }, give: { access: 'denied' } },
      {
        name: 'overdue, paying',
        when: { is: 'all', of: [OVERDUE, OPEN_TO_PAY] },
        give: PAYING,
      },
      { name: 'overdue', when: OVERDUE, give: FALLBACK },
      {
        name: 'active',
        when: { is: 'all', of: [{ is: 'covered' }, { is: 'allowance-left' }] },
        give: {
          access: 'full',
          rate: { is: 'plan' },
          addressList: 'prepaid-active',
          profile: { is: 'plan' },
          pool: null,
          idleSeconds: null,
          interimSeconds: DEFAULT_INTERIM_SECONDS,
          attributes: [],
        },
      },
      { name: 'paying', when: OPEN_TO_PAY, give: PAYING },
      { name: 'no package', when: { is: 'all', of: [] }, give: FALLBACK },
    ],
  };
}

/** A policy document that cannot be taken; `faults` names each thing that is wrong and where. */
export class InvalidPolicy extends InvalidInput {
  override name = 'InvalidPolicy';
}

/**
 * A policy from its stored or posted document. `zone` is the company's; without it the document's own counts, else
 * Asia/Jakarta. Throws InvalidPolicy with every fault.
 */
export function parsePolicy(document: unknown, zone?: string): Policy {
  if (nestsDeeperThan(document, MOST_NESTING)) throw new InvalidPolicy([`nests deeper than ${MOST_NESTING} levels`]);
  const result = policySchema.safeParse(document);
  if (!result.success) throw new InvalidPolicy(faultsOf(result.error.issues));
  const policy = { zone: zone ?? result.data.zone, rules: result.data.rules };
  if (!isZone(policy.zone)) throw new InvalidPolicy([`zone: ${policy.zone} is not a zone this machine knows`]);
  return policy;
}

const MOST_NESTING = 40;

/** Counts levels without recursion, so that a hostile document cannot exhaust the stack of the validation behind it. */
function nestsDeeperThan(document: unknown, most: number): boolean {
  let level: unknown[] = [document];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return false;
}

type Issue = {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly code?: string | undefined;
  readonly errors?: readonly (readonly Issue[])[];
};

/** One line for each issue, with its place; of a union without a fitting branch, the branch that came closest speaks. */
function faultsOf(issues: readonly Issue[], at: readonly PropertyKey[] = []): string[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path];
    const closest = [...(issue.errors ?? [])].sort((a, b) => a.length - b.length)[0];
    if (issue.code === 'invalid_union' && closest !== undefined && closest.length > 0) return faultsOf(closest, path);
    return [`${path.map(String).join('.') || 'policy'}: ${issue.message}`];
  });
}

const name = z.string().regex(/^[!-~]{1,63}$/, 'is not 1 to 63 printable ASCII characters without spaces');
const label = z.string().trim().min(1).max(100);
const bps = quantity(parseRate, 1000, 1e12, 'a rate from 1k to 1000G, such as 20M or 128k');
const bytes = quantity(parseBytes, 1, Number.MAX_SAFE_INTEGER, 'a number of bytes such as 20GB');

/** A whole number, or a text that means one. */
function quantity(parse: (text: string) => number | null, least: number, most: number, what: string) {
  return z.union([z.number(), z.string()]).transform((given, context) => {
    const value = typeof given === 'number' ? given : parse(given);
    if (value !== null && Number.isInteger(value) && value >= least && value <= most) return value;
    context.addIssue({ code: 'custom', message: `${JSON.stringify(given)} is not ${what}` });
    return z.NEVER;
  });
}

const burst = z.strictObject({
  downloadBps: bps,
  uploadBps: bps,
  thresholdDownloadBps: bps,
  thresholdUploadBps: bps,
  seconds: z.int().min(1).max(600),
});

const windowSchema = z
  .strictObject({
    is: z.literal('window'),
    from: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'is not HH:MM from 00:00 to 23:59'),
    to: z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'is not HH:MM from 00:01 to 24:00'),
    days: z.array(z.enum(WEEKDAYS)).min(1).optional(),
  })
  .refine(({ from, to }) => from !== to && to !== '00:00', 'a window must end (at 24:00 for midnight) after it begins')
  .refine(
    ({ from, to, days }) => !(from === '00:00' && to === '24:00' && (days === undefined || new Set(days).size === 7)),
    'a window of all hours of all days is no condition',
  );

const planName = z.string().trim().min(1).max(200);
const per = z
  .strictObject({ every: z.enum(USAGE_SPANS), from: z.enum(USAGE_ANCHORS) })
  .nullable()
  .default(null);

const conditionSchema: z.ZodType<Condition> = z.lazy(() =>
  z.discriminatedUnion('is', [
    z.strictObject({ is: z.literal('all'), of: z.array(conditionSchema) }),
    z.strictObject({ is: z.literal('any'), of: z.array(conditionSchema).min(1) }),
    z.strictObject({ is: z.literal('not'), of: conditionSchema }),
    z.strictObject({ is: z.literal('covered') }),
    z.strictObject({ is: z.literal('suspended') }),
    z.strictObject({ is: z.literal('allowance-left') }),
    z.strictObject({ is: z.literal('fair-use'), bytes, per }),
    z.strictObject({ is: z.literal('fair-use-share'), share: z.number().gt(0).lte(1), per }),
    windowSchema,
    z.strictObject({ is: z.literal('grace'), days: z.int().min(1).max(LONGEST_GRACE_DAYS) }),
    z.strictObject({ is: z.literal('had-cover') }),
    z.strictObject({ is: z.literal('plan'), name: planName }),
    z.strictObject({ is: z.literal('overdue'), days: z.int().min(0).max(LONGEST_GRACE_DAYS) }),
    z.strictObject({
      is: z.literal('paying'),
      minutes: z.int().min(1).max(60),
      timesADay: z.int().min(1).max(MOST_OPENINGS_A_DAY),
    }),
    z.strictObject({ is: z.literal('billing'), billing: z.enum(['prepaid', 'postpaid']) }),
    z.strictObject({ is: z.literal('tag'), tag: label }),
    z.strictObject({ is: z.literal('nas'), name: label }),
    z.strictObject({ is: z.literal('nas-tag'), tag: label }),
    z.strictObject({ is: z.literal('nas-vendor'), vendor: z.enum(NAS_VENDORS) }),
  ]),
);

const attributeName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'is not an attribute name')
  .refine((text) => !isOurs(text), 'is an attribute that the server itself decides');

/** Reply attributes that have one place where they are computed, and the key of an outcome that says them, where there is one. */
const OURS: ReadonlyMap<string, string | null> = new Map(
  Object.entries({
    'Message-Authenticator': null,
    'Proxy-State': null,
    State: null,
    Class: null,
    'User-Name': null,
    'User-Password': null,
    'Service-Type': null,
    'Framed-Protocol': null,
    'Session-Timeout': null,
    'Idle-Timeout': 'idle',
    'Acct-Interim-Interval': 'interim',
    'Framed-IP-Address': null,
    'Framed-Pool': 'pool',
    'Framed-IPv6-Prefix': null,
    'Delegated-IPv6-Prefix': null,
    'Mikrotik-Rate-Limit': 'rate',
    'Mikrotik-Address-List': 'list',
    'Mikrotik-Group': 'profile',
    'WISPr-Bandwidth-Max-Down': 'rate',
    'WISPr-Bandwidth-Max-Up': 'rate',
  }).map(([name, key]) => [name.toLowerCase(), key]),
);

/** Whether a policy may not write an attribute, because the server computes it. */
export const isOurs = (name: string): boolean => OURS.has(name.toLowerCase());
/** The key of an outcome in a policy document that says such an attribute; null = nothing in a policy does. */
export const keyOfOurs = (name: string): string | null => OURS.get(name.toLowerCase()) ?? null;

const attributeValue = z.string().min(1).max(LONGEST_ATTRIBUTE).refine(isTemplate, 'is no value: { opens a field');

function isTemplate(text: string): boolean {
  try {
    return parseTemplate(text).length > 0;
  } catch (error) {
    if (error instanceof InvalidTemplate) return false;
    throw error;
  }
}

/** Also `[name, value]`, as earlier versions stored it, and `[name, value, vendor]`. */
const attribute: z.ZodType<PolicyAttribute> = z.preprocess(
  (given) => {
    if (!Array.isArray(given) || given.length > 3) return given;
    const [name, value, vendor = null] = given;
    return { name, value, vendor };
  },
  z.strictObject({ name: attributeName, value: attributeValue, vendor: z.enum(NAS_VENDORS).nullable().default(null) }),
);

const outcomeSchema: z.ZodType<Outcome> = z.discriminatedUnion('access', [
  z.strictObject({ access: z.literal('denied') }),
  z.strictObject({
    access: z.enum(['full', 'reduced', 'walled']),
    rate: z.discriminatedUnion('is', [
      z.strictObject({ is: z.literal('plan') }),
      z.strictObject({ is: z.literal('share'), share: z.number().gt(0).max(100) }),
      z.strictObject({
        is: z.literal('fixed'),
        downloadBps: bps,
        uploadBps: bps,
        burst: burst.nullable().default(null),
      }),
    ]),
    addressList: name,
    profile: z
      .discriminatedUnion('is', [
        z.strictObject({ is: z.literal('plan') }),
        z.strictObject({ is: z.literal('named'), name }),
      ])
      .nullable()
      .default(null),
    pool: name.nullable().default(null),
    idleSeconds: z.int().min(60).max(86_400).nullable().default(null),
    interimSeconds: z.int().min(60).max(86_400).default(DEFAULT_INTERIM_SECONDS),
    attributes: z.array(attribute).max(MOST_ATTRIBUTES).default([]),
  }),
]);

/** The document of a policy, unknown keys refused. Rates and byte counts may be numbers or texts such as `128k` and `20GB`. */
export const policySchema = z.strictObject({
  zone: z.string().default('Asia/Jakarta'),
  rules: z
    .array(z.strictObject({ name: label, when: conditionSchema, give: outcomeSchema }))
    .min(1)
    .max(MOST_RULES)
    .refine((rules) => new Set(rules.map((rule) => rule.name)).size === rules.length, 'two rules have the same name'),
});
