import type { FastifyReply } from 'fastify';
import { DAY } from '#domain/time';
import { revokeGrant } from '#operations/revoke-grant';
import { listAddress, pagesOf, totalWords } from '#portal/admin/customers/listing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, rowNumber, wholeNumber } from '#portal/shared/forms';
import { planOffers } from '#storage/plans';
import {
  findSubscription,
  type ListedSubscription,
  listSubscriptions,
  type SubscriptionFilter,
} from '#storage/sales-lists';

const PATH = '/prepaid/subscriptions';
const PAGE_SIZE = 50;

/** What the chips ask for; `ending` is in force and over within so many days. */
const VIEWS = ['in-force', 'ending-1', 'ending-7', 'to-come', 'ended'] as const;
type View = (typeof VIEWS)[number];

/** Packages in force, to come and over, and taking one back. */
export function subscriptionsPage(doors: Doors): void {
  doors.staff('GET', PATH, 'see', list);

  doors.staff('GET', `${PATH}/:grant/revoke`, 'money', async (context) => {
    const found = await grantOf(context);
    return found === null ? gone(context) : revokeForm(context, found);
  });

  doors.staff('POST', `${PATH}/:grant/revoke`, 'money', async (context) => {
    const found = await grantOf(context);
    if (found === null) return gone(context);
    const reason = field(formOf(context.request.body), 'reason');
    if (reason === '') return revokeForm(context, found, context.t('subscriptions.reason-missing'));
    const { username, id } = found;
    const revoked = await attempt(() => revokeGrant(context.desk, { username, grant: id, reason }));
    if (revoked.faults !== undefined) return gone(context);
    context.opened.live.wakeEnforcement();
    const text = context.t('subscriptions.revoked', { plan: found.plan, name: shownName(found) });
    return context.redirect(`/customers/${found.subscriberId}`, { kind: 'good', text });
  });
}

const shownName = ({ name, username }: ListedSubscription): string => (name === '' ? username : name);

/** The grant of the address while it can be taken back. */
async function grantOf(context: Context): Promise<ListedSubscription | null> {
  const id = wholeNumber((context.request.params as { grant: string }).grant);
  const found = id === null ? null : await findSubscription(context.db, id, context.now);
  return found === null || found.state === 'ended' ? null : found;
}

function gone(context: Context): FastifyReply {
  return context.redirect(PATH, { kind: 'bad', text: context.t('subscriptions.gone') });
}

async function revokeForm(context: Context, found: ListedSubscription, fault?: string): Promise<FastifyReply> {
  const title = context.t('subscriptions.revoke-title', { plan: found.plan });
  const model = { title, found, shown: shownName(found), fault };
  return context.page('admin/subscriptions/revoke', model, {
    title,
    active: 'subscriptions',
    status: fault === undefined ? 200 : 422,
  });
}

async function list(context: Context): Promise<FastifyReply> {
  const { db, now } = context;
  const form = formOf(context.request.query);
  const q = field(form, 'q').slice(0, 100);
  const view = VIEWS.find((one) => one === field(form, 'view')) ?? 'in-force';
  const plan = rowNumber(field(form, 'plan'));
  const page = Math.max(1, wholeNumber(field(form, 'page')) ?? 1);
  const filter: SubscriptionFilter = {
    ...viewFilter(view, now),
    ...(q === '' ? {} : { search: q }),
    ...(plan === null ? {} : { planId: plan }),
  };
  const [found, plans] = await Promise.all([
    listSubscriptions(db, { ...filter, page, pageSize: PAGE_SIZE, now }),
    planOffers(db),
  ]);
  const title = context.t('subscriptions.title');
  return context.page(
    'admin/subscriptions/subscriptions',
    {
      title,
      q,
      view,
      planId: plan,
      chips: VIEWS.map((one) => ({
        text: context.t(`subscriptions.view-${one}`),
        href: listAddress(PATH, { q, view: one === 'in-force' ? null : one, plan }),
        current: one === view,
      })),
      plans: plans.map(({ planId, name }) => ({ id: planId, name, chosen: planId === plan })),
      rows: found.rows.map((row) => rowOf(row)),
      total: totalWords(context, found),
      narrowed: q !== '' || plan !== null || view !== 'in-force',
      pages: pagesOf(found, page, PAGE_SIZE, (to) =>
        listAddress(PATH, { q, view: view === 'in-force' ? null : view, plan, page: to }),
      ),
      mayRevoke: context.allowed('money'),
    },
    { title, active: 'subscriptions' },
  );
}

function viewFilter(view: View, now: number): SubscriptionFilter {
  if (view === 'ending-1') return { endsBefore: now + DAY };
  if (view === 'ending-7') return { endsBefore: now + 7 * DAY };
  return { state: view };
}

function rowOf(row: ListedSubscription) {
  const { allowanceBytes, usedBytes, revokedAt, until } = row;
  const left = allowanceBytes === null ? null : Math.max(0, allowanceBytes - usedBytes);
  return {
    ...row,
    shown: shownName(row),
    ended: row.state === 'ended',
    toCome: row.state === 'to-come',
    over: revokedAt !== null && revokedAt < until ? revokedAt : until,
    wasRevoked: revokedAt !== null && revokedAt < until,
    left,
    percent: left === null || allowanceBytes === null ? null : Math.round((left / allowanceBytes) * 100),
    meter: left === 0 ? 'spent' : left !== null && allowanceBytes !== null && left / allowanceBytes <= 0.2 ? 'low' : '',
  };
}
