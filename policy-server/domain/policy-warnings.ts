/**
 * What is lawful in a policy and probably not meant: rules that are never reached, conditions that never hold. A warning is
 * only given for what is certain: whether a condition can hold at all is searched through, with what conditions say of each
 * other, and where the search would take too long nothing is said.
 */
import type { Condition, Policy, Rule, UsagePeriod } from '#domain/policy';
import { say } from '#domain/say';
import { WEEKDAYS, type Window } from '#domain/time';

/** `rule`: its index; null = about the policy as a whole. */
export type PolicyWarning = { readonly rule: number | null; readonly what: string; readonly fix: string | null };

/** Seconds between interim updates below which routers and the journal feel it. */
const SHORT_INTERIM_SECONDS = 300;

export function policyWarnings({ rules }: Pick<Policy, 'rules'>): PolicyWarning[] {
  const search = { left: MOST_VISITS };
  return [...rules.flatMap((rule, index) => warningsOfRule(rule, index, rules, search)), ...missing(rules)];
}

function warningsOfRule({ when, give }: Rule, rule: number, rules: readonly Rule[], search: Search): PolicyWarning[] {
  const warnings: PolicyWarning[] = [];
  const shadow = neverReached(when, rules.slice(0, rule), search);
  if (shadow !== null) warnings.push({ rule, ...shadow });
  if (give.access !== 'denied' && give.interimSeconds < SHORT_INTERIM_SECONDS)
    warnings.push({
      rule,
      what: say`interim accounting every ${give.interimSeconds} s is a heavy load on routers`,
      fix: say`write 5 minutes or more, unless an allowance must end to the minute`,
    });
  return warnings;
}

function neverReached(when: Condition, before: readonly Rule[], search: Search): Omit<PolicyWarning, 'rule'> | null {
  if (cannotHold([when], search))
    return { what: say`this never holds: its conditions contradict each other`, fix: null };
  const shadow = before.find((rule) => cannotHold([when, not(rule.when)], search));
  if (shadow !== undefined)
    return {
      what: say`this is never reached: whenever it holds, rule "${shadow.name}" decides first`,
      fix: say`put it above rule "${shadow.name}", or remove it`,
    };
  if (before.length > 1 && cannotHold([when, ...before.map((rule) => not(rule.when))], search))
    return {
      what: say`this is never reached: the rules above decide first, whatever the case`,
      fix: say`put it further up, or remove it`,
    };
  return null;
}

function missing(rules: readonly Rule[]): PolicyWarning[] {
  const asks = (is: Condition['is']) => rules.some(({ when }) => asksFor(when, is));
  const warnings: PolicyWarning[] = [];
  if (!asks('overdue'))
    warnings.push({
      rule: null,
      what: say`no rule asks what is overdue: who does not pay an invoice keeps the line`,
      fix: say`add a rule with {overdue: 3 days}`,
    });
  if (!asks('paying'))
    warnings.push({
      rule: null,
      what: say`no rule asks for an open payment window: who is walled cannot reach a bank's app`,
      fix: say`add a rule with {paying: {minutes: 15, times a day: 3}}`,
    });
  return warnings;
}

function asksFor(condition: Condition, is: Condition['is']): boolean {
  if (condition.is === 'not') return asksFor(condition.of, is);
  if (isGroup(condition)) return condition.of.some((member) => asksFor(member, is));
  return condition.is === is;
}

const not = (of: Condition): Condition => ({ is: 'not', of });

// Whether conditions can hold together

type Leaf = Exclude<Condition, { readonly is: 'all' | 'any' } | { readonly is: 'not' }>;

/** Parts of conditions looked at, for all warnings of a policy and for one of them: together some ten milliseconds. */
const MOST_VISITS = 400_000;
const MOST_VISITS_OF_ONE = 8_000;
type Search = { left: number };

/** Certain that no subscriber at no time fulfils all of these; false where that is not certain. */
export function cannotHold(conditions: readonly Condition[], search: Search = { left: MOST_VISITS }): boolean {
  const most = Math.min(MOST_VISITS_OF_ONE, search.left);
  const one = { left: most };
  const may = mayHold({ is: 'all', of: conditions }, [], one);
  search.left -= most - one.left;
  return !may && one.left > 0;
}

type Literal = { readonly leaf: Leaf; readonly is: boolean };

/** Tries a leaf that still matters both ways, and goes on with each that does not contradict what is assumed already. */
function mayHold(condition: Condition, assumed: readonly Literal[], search: Search): boolean {
  const outcome = outcomeOf(condition, assumed, search);
  if (search.left <= 0) return true;
  if (typeof outcome === 'boolean') return outcome;
  return [true, false].some((is) => {
    const more = [...assumed, { leaf: outcome, is }];
    return consistent(more) && mayHold(condition, more, search);
  });
}

const isGroup = (condition: Condition): condition is Condition & { readonly is: 'all' | 'any' } =>
  condition.is === 'all' || condition.is === 'any';

/** The outcome under what is assumed, or a leaf that has to be known for it. */
function outcomeOf(condition: Condition, assumed: readonly Literal[], search: Search): boolean | Leaf {
  search.left -= 1 + assumed.length;
  if (search.left <= 0) return true;
  if (condition.is === 'not') {
    const outcome = outcomeOf(condition.of, assumed, search);
    return typeof outcome === 'boolean' ? !outcome : outcome;
  }
  if (isGroup(condition)) {
    const decisive = condition.is === 'any';
    let open: Leaf | null = null;
    for (const member of condition.of) {
      const outcome = outcomeOf(member, assumed, search);
      if (outcome === decisive) return decisive;
      if (typeof outcome !== 'boolean') open ??= outcome;
    }
    return open ?? !decisive;
  }
  return assumed.find(({ leaf }) => sameLeaf(leaf, condition))?.is ?? condition;
}

const sameLeaf = (one: Leaf, other: Leaf): boolean =>
  one === other || (one.is === other.is && implies(one, other) && implies(other, one));

/** Whether the last of these literals can be beside the others; false is certain. */
function consistent(literals: readonly Literal[]): boolean {
  const last = literals.at(-1)!;
  if (last.leaf.is === 'window') return hasTime(literals);
  return literals.every((one) => one === last || (compatible(one, last) && compatible(last, one)));
}

function compatible(one: Literal, other: Literal): boolean {
  if (one.is && other.is) return !exclude(one.leaf, other.leaf);
  if (one.is !== other.is) return one.is ? !implies(one.leaf, other.leaf) : true;
  return !(one.leaf.is === 'billing' && other.leaf.is === 'billing' && one.leaf.billing !== other.leaf.billing);
}

/** Whether one leaf cannot hold without the other; true is certain. */
function implies(one: Leaf, other: Leaf): boolean {
  switch (other.is) {
    case 'covered':
      return (
        one.is === 'allowance-left' || one.is === 'fair-use' || one.is === 'fair-use-share' || one.is === 'covered'
      );
    case 'suspended':
    case 'allowance-left':
      return one.is === other.is;
    case 'had-cover':
      return one.is === 'had-cover' || one.is === 'grace';
    case 'grace':
      return one.is === 'grace' && one.days <= other.days;
    case 'overdue':
      return one.is === 'overdue' && one.days >= other.days;
    case 'paying':
      return one.is === 'paying' && one.minutes <= other.minutes && one.timesADay <= other.timesADay;
    case 'fair-use':
      return one.is === 'fair-use' && one.bytes >= other.bytes && within(one.per, other.per);
    case 'fair-use-share':
      return one.is === 'fair-use-share' && one.share >= other.share && within(one.per, other.per);
    case 'billing':
      return one.is === 'billing' && one.billing === other.billing;
    case 'plan':
      return one.is === 'plan' && one.name === other.name;
    case 'tag':
      return one.is === 'tag' && one.tag === other.tag;
    case 'nas':
      return one.is === 'nas' && one.name === other.name;
    case 'nas-tag':
      return one.is === 'nas-tag' && one.tag === other.tag;
    case 'nas-vendor':
      return one.is === 'nas-vendor' && one.vendor === other.vendor;
    case 'window':
      return one.is === 'window' && (minutesOf(one) & ~minutesOf(other)) === 0n;
  }
}

/** What is used in a period is used since the grant began too. */
function within(period: UsagePeriod | null, longer: UsagePeriod | null): boolean {
  if (longer === null || period === longer) return true;
  return period !== null && period.every === longer.every && period.from === longer.from;
}

const COVERED: readonly Leaf['is'][] = ['covered', 'allowance-left', 'fair-use', 'fair-use-share'];
const NOT_COVERED: readonly Leaf['is'][] = ['had-cover', 'grace'];

/** Whether two leaves cannot hold together; true is certain. */
function exclude(one: Leaf, other: Leaf): boolean {
  if (COVERED.includes(one.is) && NOT_COVERED.includes(other.is)) return true;
  if (NOT_COVERED.includes(one.is) && COVERED.includes(other.is)) return true;
  if (one.is === 'billing' && other.is === 'billing') return one.billing !== other.billing;
  if (one.is === 'plan' && other.is === 'plan') return one.name !== other.name;
  if (one.is === 'nas' && other.is === 'nas') return one.name !== other.name;
  return one.is === 'nas-vendor' && other.is === 'nas-vendor' && one.vendor !== other.vendor;
}

// Windows: a minute of the week is a bit

const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;
const ALL_WEEK = (1n << BigInt(WEEK_MINUTES)) - 1n;
const known = new WeakMap<object, bigint>();

/** Whether a minute of the week is left that is inside and outside of windows as assumed. */
function hasTime(literals: readonly Literal[]): boolean {
  let left = ALL_WEEK;
  for (const { leaf, is } of literals)
    if (leaf.is === 'window') left &= is ? minutesOf(leaf) : ALL_WEEK ^ minutesOf(leaf);
  return left !== 0n;
}

function minutesOf(window: Window): bigint {
  const before = known.get(window);
  if (before !== undefined) return before;
  const minute = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  const [from, to] = [minute(window.from), minute(window.to)];
  const span = (1n << BigInt(to > from ? to - from : to + DAY_MINUTES - from)) - 1n;
  let minutes = 0n;
  for (const [index, day] of WEEKDAYS.entries()) {
    if (window.days?.includes(day) === false) continue;
    const shifted = span << BigInt(index * DAY_MINUTES + from);
    // What runs past the week's end is its beginning.
    minutes |= (shifted & ALL_WEEK) | (shifted >> BigInt(WEEK_MINUTES));
  }
  known.set(window, minutes);
  return minutes;
}
