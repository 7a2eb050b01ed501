import { localDate } from '#domain/time';
import { causeWords, reasonWords } from '#portal/admin/customer/sentence';
import type { Context } from '#portal/shared/context';
import { methodWords as methodText } from '#portal/shared/methods';
import { hasWords } from '#portal/shared/words';
import { type TimelineItem, type TimelineKind, timeline } from '#storage/timeline';

/** The filters of the timeline: each shows some kinds. */
export const SHOWS = {
  line: ['reject', 'session'],
  network: ['enforcement'],
  money: ['purchase', 'payment', 'refund', 'grant'],
  messages: ['message'],
  edits: ['edit'],
} as const satisfies Readonly<Record<string, readonly TimelineKind[]>>;
export type Show = keyof typeof SHOWS;

const PAGE_SIZE = 40;

export type TimelineRow = {
  readonly at: number;
  readonly tone: 'good' | 'warn' | 'bad' | 'calm';
  readonly title: string;
  readonly detail: string;
};
export type TimelineDay = { readonly day: string; readonly rows: readonly TimelineRow[] };

/** One page of what happened to a subscriber, by day, the newest first. */
export async function timelinePage(
  context: Context,
  subscriberId: number,
  show: Show | null,
  before: string | null,
): Promise<{ readonly days: readonly TimelineDay[]; readonly older: string | null }> {
  const { items, more } = await timeline(context.db, subscriberId, {
    now: context.now,
    limit: PAGE_SIZE,
    ...(show === null ? {} : { kinds: SHOWS[show] }),
    ...(before === null ? {} : { before }),
  });
  const shown = show === null ? items.filter((item) => !isToldTwice(item)) : items;
  const days = new Map<string, TimelineRow[]>();
  for (const item of shown) {
    const day = localDate(item.at, context.parts.zone);
    const rows = days.get(day) ?? [];
    rows.push(rowOf(context, item));
    days.set(day, rows);
  }
  return {
    days: [...days.values()].map((rows) => ({ day: context.format.date(rows[0]!.at), rows })),
    older: more ? items.at(-1)!.key : null,
  };
}

/** Acts whose purchase, payment or message stands on the timeline itself. */
const TOLD_BY_OTHERS = new Set([
  'sell package',
  'settle purchase',
  'order package',
  'cancel purchase',
  'write to subscriber',
]);
const isToldTwice = (item: TimelineItem): boolean => item.kind === 'edit' && TOLD_BY_OTHERS.has(item.why);

function rowOf(context: Context, item: TimelineItem): TimelineRow {
  return { at: item.at, ...saying(context, item) };
}

const joined = (...parts: (string | null | undefined | false)[]): string =>
  parts.filter((part) => typeof part === 'string' && part !== '').join(' · ');

function saying(context: Context, item: TimelineItem): Omit<TimelineRow, 'at'> {
  const { t, format } = { t: context.t.bind(context), format: context.format };
  switch (item.kind) {
    case 'reject': {
      const since = item.times > 1 ? t('customer.since', { at: format.moment(item.firstAt) }) : null;
      const title = t('customer.tl-reject', { count: item.times, reason: reasonWords(context, item.reason) });
      return { tone: 'bad', title, detail: joined(item.nasName, item.mac, since) };
    }
    case 'session':
      if (item.what === 'began')
        return { tone: 'good', title: t('customer.tl-began'), detail: joined(item.address, item.nasName, item.mac) };
      return {
        tone: 'calm',
        title: t('customer.tl-ended', { cause: causeWords(context, item.cause) }),
        detail: joined(
          format.duration(item.seconds * 1000),
          `↓ ${format.bytes(item.downBytes)}`,
          `↑ ${format.bytes(item.upBytes)}`,
        ),
      };
    case 'enforcement': {
      const acknowledged = item.outcome === 'ack' || item.outcome === 'done';
      const outcome = acknowledged ? t('customer.tl-acknowledged') : context.said(item.outcome);
      return {
        tone: acknowledged ? 'good' : 'warn',
        title: t(`customer.tl-${item.act}`, { outcome }),
        detail: joined(context.said(item.reason), item.nasName, `${format.number(item.tookMs)} ms`),
      };
    }
    case 'purchase':
      return {
        tone: item.what === 'ordered' ? 'calm' : 'warn',
        title: t(`customer.tl-${item.what}`, { plan: item.plan }),
        detail: joined(format.rupiah(item.priceRupiah), item.number, item.by !== null && actorWords(context, item.by)),
      };
    case 'payment':
      return {
        tone: 'good',
        title: t('customer.tl-paid', {
          amount: format.rupiah(item.amountRupiah),
          method: methodWords(context, item.method),
        }),
        detail: joined(item.number, actorWords(context, item.by), item.note),
      };
    case 'refund':
      return {
        tone: 'warn',
        title: t(`customer.tl-back-${item.what}`, {
          amount: format.rupiah(item.amountRupiah),
          method: methodWords(context, item.method),
        }),
        detail: joined(actorWords(context, item.by), context.said(item.reason)),
      };
    case 'grant':
      return {
        tone: item.what === 'begun' ? 'good' : 'warn',
        title: t(`customer.tl-grant-${item.what}`, { plan: item.plan }),
        detail: joined(
          item.what === 'begun' && t('customer.until', { at: format.dateTime(item.until) }),
          item.what !== 'begun' && t('customer.used', { used: format.bytes(item.usedBytes) }),
        ),
      };
    case 'message':
      return {
        tone: item.state === 'failed' ? 'bad' : item.state === 'delivered' || item.state === 'read' ? 'good' : 'calm',
        title: t('customer.tl-message', {
          notice: noticeWords(context, item.notice),
          state: t(`customer.message-${item.state}`),
        }),
        detail: messageReason(context, item.reason) ?? '',
      };
    case 'edit':
      return {
        tone: 'calm',
        title: editWords(context, item.why),
        detail: joined(actorWords(context, item.actor), changesOf(context, item.detail), reasonOf(item.detail)),
      };
  }
}

/** Words for a code of ours, or the code where there are none yet. */
const wordsOr = (context: Context, key: string, otherwise: string): string =>
  hasWords(context.language, key) ? context.t(key) : otherwise;

export const noticeWords = (context: Context, notice: string): string =>
  wordsOr(context, `customer.notice-${notice}`, notice);

export const methodWords = (context: Context, method: string): string =>
  wordsOr(context, `customer.method-${method}`, methodText(context.language, { method, gateway: null }));

export const editWords = (context: Context, why: string): string =>
  wordsOr(context, `customer.edit-${why.replaceAll(' ', '-')}`, why);

/** Why a message is not sent: the page of messages has the words; what stands behind the code is shown as it came. */
export function messageReason(context: Context, reason: string | null): string | null {
  if (reason === null) return null;
  const [code, ...more] = reason.split(': ');
  return [wordsOr(context, `messages.reason-${code}`, code!), ...more].join(': ');
}

/** Who did something: a name of staff, the customer, or the system. */
export function actorWords(context: Context, actor: string): string {
  const [kind, name = ''] = actor.split(/:(.*)/s);
  if (kind === 'staff') return context.t('customer.by', { name });
  if (kind === 'subscriber' || kind === 'portal') return context.t('customer.by-customer');
  if (kind === 'system') return context.t('customer.by-system');
  return context.t('customer.by', { name: actor });
}

/** `phone: 0812 → 0813` for each field that an edit changed. */
function changesOf(context: Context, detail: Readonly<Record<string, unknown>>): string {
  const { changes } = detail;
  if (typeof changes !== 'object' || changes === null) return '';
  return Object.entries(changes)
    .map(([name, change]) => {
      const field = wordsOr(context, `customer.field-${name}`, name);
      if (typeof change !== 'object' || change === null) return field;
      const { before, after } = change as { readonly before: unknown; readonly after: unknown };
      return `${field}: ${valueWords(before)} → ${valueWords(after)}`;
    })
    .join(', ');
}

/** Why somebody did it, where they were asked. */
const reasonOf = ({ reason }: Readonly<Record<string, unknown>>): string => (typeof reason === 'string' ? reason : '');

const LONGEST_VALUE = 60;

function valueWords(value: unknown): string {
  const text = Array.isArray(value) ? value.join(' ') : value === null || value === undefined ? '' : String(value);
  if (text === '') return '–';
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
