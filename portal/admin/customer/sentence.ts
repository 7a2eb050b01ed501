import { NEEDS_PACKAGE } from '#domain/standing';
import type { Context } from '#portal/shared/context';
import type { MoneyReason } from '#portal/shared/money-reason';
import { hasWords } from '#portal/shared/words';
import type { SubscriberProfile } from '#storage/subscriber-profile';
import type { LineState, WhyOffline } from '#storage/timeline';

export type Sentence = { readonly tone: 'good' | 'warn' | 'bad' | 'calm'; readonly text: string };

/** How a line is and why, in one sentence. */
export function sentenceOf(
  context: Context,
  profile: SubscriberProfile,
  why: WhyOffline,
  money: MoneyReason | null,
): Sentence {
  const { bought, line } = why;
  if (profile.access === 'static') return staticLine(context, profile, why, money);
  const needs = NEEDS_PACKAGE.includes(bought.standing);
  switch (line.is) {
    case 'online':
      if (bought.standing === 'suspended') return { tone: 'warn', text: context.t('customer.online-suspended') };
      if (money !== null)
        return {
          tone: 'warn',
          text: `${context.t('customer.online', { since: context.format.moment(line.since) })}; ${moneyWords(context, money)}`,
        };
      return needs
        ? {
            tone: 'warn',
            text: context.t('customer.online-walled', {
              since: context.format.moment(line.since),
              why: packageWords(context, why),
            }),
          }
        : { tone: bought.standing === 'ends-soon' ? 'warn' : 'good', text: onlineWords(context, line, why) };
    case 'suspended':
      return { tone: 'bad', text: context.t('customer.suspended-since', { since: context.format.moment(line.since) }) };
    case 'rejected': {
      const { times, since } = line;
      const reason = reasonWords(context, line.reason);
      const text = context.t('customer.offline-rejected', {
        count: times,
        reason,
        since: context.format.moment(since),
      });
      return { tone: 'bad', text };
    }
    case 'ended': {
      const cause = causeWords(context, line.cause);
      const text = context.t('customer.offline-ended', { since: context.format.moment(line.at), cause });
      const lacks = money !== null ? moneyWords(context, money) : needs ? packageWords(context, why) : null;
      return { tone: lacks === null ? 'calm' : 'bad', text: lacks === null ? text : `${text}; ${lacks}` };
    }
    default:
      return { tone: 'calm', text: context.t('customer.never-seen') };
  }
}

function onlineWords(context: Context, line: LineState & { is: 'online' }, { bought }: WhyOffline): string {
  const since = context.format.moment(line.since);
  const online =
    line.rate === null
      ? context.t('customer.online', { since })
      : context.t('customer.online-at', { since, rate: context.format.rate(line.rate.downloadBps) });
  const ends =
    bought.endsAt !== null && Number.isFinite(bought.endsAt)
      ? context.t('customer.ends', { ends: context.format.ago(bought.endsAt) })
      : context.t('customer.ends-never');
  return `${online}; ${ends}`;
}

/** What is owed has closed the line, or it is open to pay. */
const moneyWords = (context: Context, money: MoneyReason): string =>
  money.is === 'overdue'
    ? context.t('customer.because-overdue', { since: context.format.date(money.since) })
    : context.t('customer.because-paying', { until: context.format.moment(money.until) });

/** Why there is no package in force. */
function packageWords(context: Context, { bought }: WhyOffline): string {
  const at = bought.endsAt === null ? '' : context.format.dateTime(bought.endsAt);
  return context.t(`customer.because-${bought.standing}`, { plan: bought.plan, at });
}

/** A static line dials nobody: what its router was told and has is how it is. */
function staticLine(
  context: Context,
  profile: SubscriberProfile,
  why: WhyOffline,
  money: MoneyReason | null,
): Sentence {
  const { bought } = why;
  const [failing] = profile.staticAddresses.filter(({ lastError }) => lastError !== null);
  const router = profile.nas?.name ?? '';
  if (failing !== undefined)
    return {
      tone: 'bad',
      text: context.t('customer.static-failing', { router, error: context.said(failing.lastError ?? '') }),
    };
  if (profile.staticAddresses.some(({ toldList }) => toldList === null))
    return { tone: 'warn', text: context.t('customer.static-untold', { router }) };
  const lists = [...new Set(profile.staticAddresses.map(({ toldList }) => toldList))].join(', ');
  const told = context.t('customer.static-told', { router, list: lists });
  if (bought.standing === 'suspended')
    return { tone: 'bad', text: `${context.t('customer.static-suspended')}; ${told}` };
  if (money !== null) return { tone: 'warn', text: `${capital(moneyWords(context, money))}; ${told}` };
  if (NEEDS_PACKAGE.includes(bought.standing))
    return { tone: 'warn', text: `${capital(packageWords(context, why))}; ${told}` };
  const ends = bought.endsAt === null ? '' : context.t('customer.ends', { ends: context.format.ago(bought.endsAt) });
  return { tone: bought.standing === 'ends-soon' ? 'warn' : 'good', text: [told, ends].filter(Boolean).join('; ') };
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A reason of a rejected dial in words; one we have none for as it is. */
export const reasonWords = (context: Context, reason: string): string =>
  hasWords(context.language, `customer.reject-${reason}`) ? context.t(`customer.reject-${reason}`) : reason;

/** Why a session ended, as the router says it (Acct-Terminate-Cause). */
export function causeWords(context: Context, cause: string | null): string {
  if (cause === null || cause === '') return context.t('customer.cause-unknown');
  const key = `customer.cause-${cause.toLowerCase()}`;
  return hasWords(context.language, key) ? context.t(key) : cause;
}
