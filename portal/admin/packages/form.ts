import { parseRupiah } from '#domain/money';
import { parseBytes, parsePeriod } from '#domain/parse';
import type { Period, Plan } from '#domain/plan';
import type { FormFaults } from '#portal/admin/customers/form';
import {
  isName,
  profileFault,
  speedFaults,
  speedsInput,
  speedsTyped,
  type TypedSpeeds,
  typedSpeeds,
} from '#portal/admin/speed-profiles/speeds';
import type { Context } from '#portal/shared/context';
import { type Form, field } from '#portal/shared/forms';
import type { ListedPlan } from '#storage/plans';

/** How long a package lasts, as the form asks; `days` is any number of days. */
export const TYPES = ['month', 'week', 'day', 'days'] as const;
const UNITS = ['GB', 'MB'] as const;

export type Typed = TypedSpeeds & {
  readonly name: string;
  readonly type: string;
  readonly days: string;
  readonly quota: string;
  readonly unit: string;
  /** The number of a speed profile, or `own`. */
  readonly speed: string;
  readonly price: string;
  readonly profile: string;
  readonly description: string;
  readonly onPortal: string;
  readonly position: string;
};

export function typedIn(form: Form): Typed {
  const text = (name: string) => field(form, name);
  return {
    ...typedSpeeds(form),
    name: text('name'),
    type: text('type') || 'month',
    days: text('days'),
    quota: text('quota'),
    unit: UNITS.find((one) => one === text('unit')) ?? 'GB',
    speed: text('speed') || 'own',
    price: text('price'),
    profile: text('profile'),
    description: text('description'),
    onPortal: text('onPortal') === 'yes' ? 'yes' : '',
    position: text('position'),
  };
}

/** A form for a new package. */
export const untyped = (hasProfiles: boolean): Typed => ({
  ...typedIn({ onPortal: 'yes', position: '0' }),
  speed: hasProfiles ? '' : 'own',
});

/** The form as it stands for a package, `profiles` being the numbers of the speed profiles there are. */
export function typedOf(plan: Omit<ListedPlan, 'grantsInForce'>): Typed {
  return {
    ...speedsTyped(plan.rate),
    ...typedPeriod(plan.period),
    ...typedQuota(plan.allowanceBytes),
    name: plan.name,
    speed: plan.speedProfileId === null ? 'own' : String(plan.speedProfileId),
    price: String(plan.priceRupiah),
    profile: plan.profile ?? '',
    description: plan.description,
    onPortal: plan.onPortal ? 'yes' : '',
    position: String(plan.position),
  };
}

function typedPeriod(period: Period): Pick<Typed, 'type' | 'days'> {
  if ('months' in period) return { type: 'month', days: '' };
  if (period.days === 1) return { type: 'day', days: '' };
  return period.days === 7 ? { type: 'week', days: '' } : { type: 'days', days: String(period.days) };
}

const GIGABYTE = 2 ** 30;
const MEGABYTE = 2 ** 20;

function typedQuota(bytes: number | null): Pick<Typed, 'quota' | 'unit'> {
  if (bytes === null) return { quota: '', unit: 'GB' };
  return bytes % GIGABYTE === 0
    ? { quota: String(bytes / GIGABYTE), unit: 'GB' }
    : { quota: String(Math.round((bytes / MEGABYTE) * 1000) / 1000), unit: 'MB' };
}

/** The fields of `savePlan`. */
export function planInput(typed: Typed): Record<string, unknown> {
  const speeds = typed.speed === 'own' ? speedsInput(typed) : { speedProfileId: typed.speed };
  return {
    ...speeds,
    name: typed.name,
    period: periodInput(typed),
    quota: quotaInput(typed),
    price: typed.price,
    profile: typed.profile,
    description: typed.description,
    onPortal: typed.onPortal === 'yes',
    position: typed.position === '' ? 0 : typed.position,
  };
}

const periodInput = ({ type, days }: Typed): string => (type === 'days' ? `${days}d` : type);
const quotaInput = ({ quota, unit }: Typed): string => (quota === '' ? '' : `${quota}${unit}`);

/** What is wrong, by field, in the reader's words; null when nothing is. */
export function planFaults(context: Context, typed: Typed, profileIds: readonly number[]): FormFaults | null {
  const wrong: Record<string, boolean> = {
    name: !isName(typed.name),
    type: typed.type !== 'days' && parsePeriod(typed.type) === null,
    days: typed.type === 'days' && parsePeriod(periodInput(typed)) === null,
    quota: typed.quota !== '' && (!/^[\d.,]+$/.test(typed.quota) || parseBytes(quotaInput(typed)) === null),
    speed: typed.speed !== 'own' && !profileIds.includes(Number(typed.speed)),
    price: parseRupiah(typed.price) === null,
    description: typed.description.length > 300 || /\p{Cc}/u.test(typed.description),
    position: !/^-?\d{0,4}$/.test(typed.position),
  };
  const of: Record<string, string> = typed.speed === 'own' ? speedFaults(context, typed) : {};
  for (const [name, isWrong] of Object.entries(wrong))
    if (isWrong) of[name] = context.t(`packages-staff.fault-${name}`);
  const inProfile = profileFault(context, typed.profile);
  if (inProfile !== null) of.profile = inProfile;
  return Object.keys(of).length === 0 ? null : { of, others: [] };
}

/** `Bulanan`, `Mingguan`, `Harian`, or `30 hari`. */
export function periodName(context: Context, period: Plan['period']): string {
  if ('months' in period)
    return period.months === 1
      ? context.t('packages-staff.type-month')
      : context.t('customer.period-months', { count: period.months });
  if (period.days === 1) return context.t('packages-staff.type-day');
  if (period.days === 7) return context.t('packages-staff.type-week');
  return context.t('customer.period-days', { count: period.days });
}
