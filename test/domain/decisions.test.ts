import { expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import { charge } from '#domain/entitlement';
import type { Facts } from '#domain/facts';
import { parseBytes, parsePeriod, parseRate } from '#domain/parse';
import type { Plan } from '#domain/plan';
import { defaultPolicy, type Policy, parsePolicy } from '#domain/policy';
import { printBytes, printDecision, printInstant } from '#domain/print';
import { type ObservedSession, reconcile, shortTold, toldOf } from '#domain/reconcile';
import { addPeriod, DAY, HOUR, type Instant, parseInstant } from '#domain/time';
import { meter } from '#domain/usage-period';
import { expectTranscript } from '#test/domain/transcript';

const ZONE = 'Asia/Jakarta';
const when = (text: string) => parseInstant(text, ZONE)!;

function sold(name: string, speed: string, quota: string | null, period: string, over: Partial<Plan> = {}): Plan {
  const rate = { downloadBps: parseRate(speed)!, uploadBps: parseRate(speed)!, burst: null };
  const allowanceBytes = quota === null ? null : parseBytes(quota)!;
  return {
    revisionId: 1,
    name,
    rate,
    allowanceBytes,
    period: parsePeriod(period)!,
    priceRupiah: 75_000,
    profile: null,
    ...over,
  };
}

const month = sold('20GB - 20Mbps', '20M', '20GB', 'month', { profile: 'prepaid-20mbps' });
const unlimited = sold('Unlimited - 100Mbps', '100M', null, 'month', { revisionId: 2, profile: 'prepaid-100mbps' });
const day = sold('Harian - 20Mbps', '20M', '5GB', 'day', { revisionId: 3, profile: 'prepaid-20mbps' });

/** One subscriber's life: each step changes the facts or only lets time pass, and writes down what is decided and done. */
class Story {
  readonly lines: string[] = [];
  private facts: Facts;
  private session: ObservedSession | null = null;
  private readonly policy: Policy;

  constructor(title: string, policy: Policy, facts: Partial<Facts> = {}) {
    this.policy = policy;
    const nobody = {
      tags: [],
      suspendedSince: null,
      owesSince: null,
      openings: [],
      grants: [],
      chargedBytes: 0,
      nas: null,
      version: 0,
    };
    this.facts = { subscriberId: 1, username: 'budi', billing: 'prepaid', ...nobody, ...facts };
    this.lines.push(`== ${title}`, '');
  }

  at(text: string, what: string, change: (facts: Facts, at: Instant) => Partial<Facts> = () => ({})): this {
    const at = when(text);
    this.facts = { ...this.facts, ...change(this.facts, at) };
    const decision = decide(this.facts, this.policy, at);
    this.lines.push(`-- ${printInstant(at, ZONE)}: ${what}`, printDecision(decision, ZONE));
    this.lines.push(this.session === null ? this.dial(decision) : this.enforce(decision, this.session, at));
    this.lines.push('');
    return this;
  }

  private dial(decision: Decision): string {
    if (decision.access === 'denied') return '  dial: reject';
    this.session = { sessionId: 1, nasId: 1, told: shortTold(toldOf(decision)), endingSince: null, endAsked: null };
    return '  dial: accept';
  }

  /** A disconnected subscriber dials again at once. */
  private enforce(decision: Decision, session: ObservedSession, at: Instant): string {
    const action = reconcile(decision, [session], at)[0]!;
    if (action.do !== 'keep') this.session = { ...session, told: toldOf(decision) };
    if (action.do === 'disconnect' && decision.access === 'denied') this.session = null;
    return `  ${action.do}: ${action.reason}`;
  }
}

const buys = (plan: Plan, from?: Instant) => (facts: Facts, at: Instant) => {
  const begin = from ?? at;
  const grant = {
    id: facts.grants.length + 1,
    plan,
    from: begin,
    until: addPeriod(begin, plan.period, ZONE),
    usedBytes: 0,
    metered: null,
  };
  return { grants: [...facts.grants, grant] };
};

const uses = (quota: string) => (facts: Facts, at: Instant) => {
  const bytes = parseBytes(quota)!;
  const shares = charge(facts.grants, at, bytes);
  const sum = [...shares.values()].reduce((a, b) => a + b, 0);
  return {
    grants: facts.grants.map((g) => {
      const share = shares.get(g.id);
      return share === undefined ? g : { ...g, usedBytes: g.usedBytes + share, metered: meter(g, ZONE, at, share) };
    }),
    chargedBytes: facts.chargedBytes + sum,
  };
};

const prepaid = new Story('The prepaid story, under the default policy', defaultPolicy(ZONE))
  .at('2026-11-20T17:00+07:00', 'a new subscriber dials')
  .at('2026-11-20T18:00+07:00', 'buys 20GB - 20Mbps', buys(month))
  .at('2026-11-25T09:00+07:00', 'has used 12 GB', uses('12GB'))
  .at('2026-11-28T21:30+07:00', 'has used all of it', uses('8GB'))
  .at('2026-11-28T21:40+07:00', 'goes on in the walled garden', uses('30MB'))
  .at('2026-11-28T22:00+07:00', 'buys a day with 5 GB', buys(day))
  .at('2026-11-29T22:00+07:00', 'the day is over, the month is spent')
  .at('2026-12-20T17:59:59+07:00', 'a second before the month ends')
  .at('2026-12-20T18:00+07:00', 'the month ends')
  .at('2027-01-05T08:00+07:00', 'buys 20GB - 20Mbps', buys(month))
  .at(
    '2027-02-04T08:00+07:00',
    'renews a day early: the next month begins where this one ends',
    buys(month, when('2027-02-05T08:00+07:00')),
  )
  .at('2027-02-05T08:00+07:00', 'the renewal takes over without a seam')
  .at('2027-02-06T08:00+07:00', 'buys Unlimited - 100Mbps on top', buys(unlimited))
  .at('2027-02-07T10:00+07:00', 'is suspended by an admin', (_, at) => ({ suspendedSince: at }))
  .at('2027-02-07T10:05+07:00', 'dials while suspended')
  .at('2027-02-07T11:00+07:00', 'is resumed', () => ({ suspendedSince: null }));

const everything = parsePolicy(
  {
    rules: [
      { name: 'suspended', when: { is: 'suspended' }, give: { access: 'denied' } },
      {
        name: 'night',
        when: { is: 'all', of: [{ is: 'covered' }, { is: 'window', from: '23:00', to: '05:00' }] },
        give: { access: 'full', rate: { is: 'share', share: 2 }, addressList: 'prepaid-active' },
      },
      {
        name: 'fair use',
        when: {
          is: 'all',
          of: [{ is: 'covered' }, { is: 'fair-use', bytes: '100GB' }, { is: 'not', of: { is: 'tag', tag: 'vip' } }],
        },
        give: { access: 'reduced', rate: { is: 'share', share: 0.25 }, addressList: 'prepaid-active' },
      },
      {
        name: 'covered',
        when: { is: 'covered' },
        give: { access: 'full', rate: { is: 'plan' }, addressList: 'prepaid-active' },
      },
      {
        name: 'postpaid grace',
        when: {
          is: 'all',
          of: [
            { is: 'billing', billing: 'postpaid' },
            { is: 'grace', days: 3 },
          ],
        },
        give: { access: 'reduced', rate: { is: 'share', share: 0.1 }, addressList: 'prepaid-active' },
      },
    ],
  },
  ZONE,
);

const postpaid = new Story('Nights at double speed, fair use and grace', everything, { billing: 'postpaid' })
  .at('2026-11-20T18:00+07:00', 'the month begins', buys(unlimited))
  .at('2026-11-20T23:00+07:00', 'the night begins')
  .at('2026-11-21T05:00+07:00', 'the night ends')
  .at('2026-12-01T12:00+07:00', 'has used 99 GB', uses('99GB'))
  .at('2026-12-02T12:00+07:00', 'has used 100 GB', uses('1GB'))
  .at('2026-12-03T12:00+07:00', 'is made a vip', () => ({ tags: ['vip'] }))
  .at('2026-12-20T18:00+07:00', 'the month ends unpaid')
  .at('2026-12-23T18:00+07:00', 'the grace is over');

const slowed = (share: number) => ({
  access: 'reduced',
  rate: { is: 'share', share },
  addressList: 'prepaid-active',
  profile: { is: 'plan' },
});
const ladder = parsePolicy(
  {
    rules: [
      {
        name: 'fair use of the month',
        when: { is: 'fair-use', bytes: '100GB', per: { every: 'month', from: 'renewal' } },
        give: slowed(0.1),
      },
      {
        name: 'second step of the day',
        when: { is: 'fair-use', bytes: '5GB', per: { every: 'day', from: 'calendar' } },
        give: slowed(0.25),
      },
      {
        name: 'first step of the day',
        when: { is: 'fair-use', bytes: '3GB', per: { every: 'day', from: 'calendar' } },
        give: slowed(0.5),
      },
      { name: 'active', when: { is: 'covered' }, give: { ...slowed(1), access: 'full', rate: { is: 'plan' } } },
    ],
  },
  ZONE,
);

const steps = new Story('Fair use by the day, and by the month from the renewal', ladder)
  .at('2027-01-31T10:00+07:00', 'buys Unlimited - 100Mbps', buys(unlimited))
  .at('2027-01-31T18:00+07:00', 'has used 3 GB today', uses('3GB'))
  .at('2027-01-31T21:00+07:00', 'has used 5 GB today', uses('2GB'))
  .at('2027-02-01T00:00+07:00', 'the day is over')
  .at('2027-02-01T00:10+07:00', 'a record of the day before comes late', (facts) =>
    uses('4GB')(facts, when('2027-01-31T23:50+07:00')),
  )
  .at('2027-02-20T12:00+07:00', 'has used 100 GB this month', uses('91GB'))
  .at('2027-02-21T00:00+07:00', 'another day changes nothing')
  .at(
    '2027-02-27T20:00+07:00',
    'renews: the next month begins where this one ends',
    buys(unlimited, when('2027-02-28T10:00+07:00')),
  )
  .at('2027-02-28T10:00+07:00', 'the renewal counts from nothing');

test('the stories read as an engineer would tell them', () => {
  expectTranscript(
    new URL('./decisions.txt', import.meta.url),
    `${[...prepaid.lines, ...postpaid.lines, ...steps.lines].join('\n')}`,
  );
});

test('a subscriber who paid is never told to stop before the end of what was paid for', () => {
  const start = when('2026-11-20T18:00+07:00');
  const grants = [
    { id: 1, plan: month, from: start, until: addPeriod(start, month.period, ZONE), usedBytes: 0, metered: null },
  ];
  const facts: Facts = {
    subscriberId: 1,
    username: 'x',
    billing: 'prepaid',
    tags: [],
    suspendedSince: null,
    owesSince: null,
    openings: [],
    grants,
    chargedBytes: 0,
    nas: null,
    version: 0,
  };
  for (let at = start; at < start + 30 * DAY; at += HOUR) {
    const { access, validUntil, validBelow } = decide(facts, defaultPolicy(ZONE), at);
    expect([access, printInstant(validUntil, ZONE), printBytes(validBelow)]).toEqual([
      'full',
      '20 Dec 2026 18.00 WIB',
      '20 GB',
    ]);
  }
});
