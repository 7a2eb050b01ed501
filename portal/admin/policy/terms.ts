import type { Rate } from '#domain/plan';
import type { GroupTerms } from '#domain/policy-impact';
import { rateWords } from '#portal/admin/speed-profiles/speeds';
import type { Context } from '#portal/shared/context';

/** The part of terms that people tell lines apart by. */
type Told = Pick<GroupTerms, 'access' | 'rate' | 'addressList' | 'profile' | 'pool' | 'attributes'>;

/** What a line gets, for a page: how it is let in, its speed, and what else the router is told. */
export function termsModel(context: Context, terms: Told) {
  return {
    access: terms.access,
    accessText: context.t(`policy.access-${terms.access}`),
    tone: TONES[terms.access],
    rate: terms.rate === null ? null : speedWords(context, terms.rate),
    list: terms.addressList,
    profile: terms.profile,
    pool: terms.pool,
    attributes: terms.attributes.map(([name, value]) => `${name} = ${value}`),
  };
}

const TONES: Readonly<Record<Told['access'], string>> = {
  full: 'good',
  reduced: 'warn',
  walled: 'warn',
  denied: 'bad',
};

function speedWords(context: Context, rate: Rate): string {
  const { burst } = rate;
  const words = rateWords(context, rate);
  return burst === null
    ? words
    : `${words} · ${context.t('policy.burst', { rate: rateWords(context, { ...burst, burst: null }) })}`;
}
