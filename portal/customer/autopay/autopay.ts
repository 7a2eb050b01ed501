import type { FastifyReply } from 'fastify';
import { autoPayNow, chooseAutoPay, removeSavedMethod, stopAutoPay } from '#operations/auto-pay';
import type { PaidFor } from '#operations/auto-pay-notices';
import { topUpPages } from '#portal/customer/autopay/topup';
import { askForWallets, walletModel, walletPages } from '#portal/customer/autopay/wallet';
import { offer } from '#portal/customer/offer';
import { customerStanding } from '#portal/customer/standing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, rowNumber, wholeNumber } from '#portal/shared/forms';
import { gatewayName } from '#portal/shared/methods';
import { type AutoPayEvent, autoPayEvents } from '#storage/auto-pay';
import { creditOf } from '#storage/ledger';
import { methodsOf, type StoredMethod } from '#storage/saved-methods';

const PATH = '/customer/autopay';
const EVENTS = 8;

/** Auto-pay: what comes next and how to stop it first, then what it is paid by, what is saved, and what it did. */
export function autoPayPages(doors: Doors): void {
  doors.customer('GET', PATH, (context) => show(context));

  doors.customer('POST', PATH, async (context) => {
    const form = formOf(context.request.body);
    const by = field(form, 'by');
    const methodId = by === 'balance' ? null : wholeNumber(by);
    if (by !== 'balance' && methodId === null) return show(context, [context.t('autopay.choose')]);
    const planId = rowNumber(field(form, 'plan'));
    const { subscriberId } = context;
    const chosen = await attempt(() => chooseAutoPay(context.desk, { subscriberId, methodId, planId }));
    if (chosen.faults !== undefined) return show(context, saidAll(context, chosen.faults));
    return context.redirect(PATH, { kind: 'good', text: context.t('autopay.is-on') });
  });

  doors.customer('POST', `${PATH}/stop`, async (context) => {
    await stopAutoPay(context.desk, context.subscriberId);
    return context.redirect(PATH, { kind: 'good', text: context.t('autopay.is-stopped') });
  });

  doors.customer('POST', `${PATH}/methods/:id/remove`, async (context) => {
    const id = wholeNumber((context.request.params as { id: string }).id);
    const removed = await attempt(() => removeSavedMethod(context.desk, context.subscriberId, id ?? 0));
    if (removed.faults !== undefined) return show(context, saidAll(context, removed.faults));
    // A wallet is unlinked at the gateway too; while that is away the job does it.
    await askForWallets(context);
    return context.redirect(PATH, { kind: 'good', text: context.t('autopay.is-removed') });
  });

  topUpPages(doors);
  walletPages(doors, show);
}

const saidAll = (context: Context, faults: readonly string[]) => faults.map((fault) => context.said(fault));

async function show(context: Context, faults?: readonly string[]): Promise<FastifyReply> {
  const { db, desk, subscriberId, now } = context;
  const [{ state, next }, methods, credit, events, standing, plans, active] = await Promise.all([
    autoPayNow(desk, subscriberId),
    methodsOf(db, subscriberId),
    creditOf(db, subscriberId),
    autoPayEvents(db, subscriberId, EVENTS),
    customerStanding(context, subscriberId),
    offer(context),
    context.opened.gateways.active(),
  ]);
  const title = context.t('autopay.title');
  const method = methods.find(({ id }) => id === state?.methodId);
  const prepaid = standing?.account.billing === 'prepaid';
  const model = {
    faults,
    on: state !== null && state.pausedAt === null,
    paused: state?.pausedAt ?? null,
    failed: state?.lastError == null ? null : context.t(`autopay.fault-${state.lastError}`),
    by: state?.methodId == null ? context.t('autopay.balance') : (method?.label ?? ''),
    inDoubt: state !== null && state.orderId !== null,
    next: next === null ? null : { ...next, what: whatWords(context, next.what), now: next.at <= now },
    methods: methods.map((one) => methodModel(context, one, state?.methodId ?? null)),
    byBalance: state !== null ? state.methodId === null : methods.length === 0,
    credit,
    // A postpaid line has one plan, and its invoices are what is paid.
    plans: prepaid ? plans.map((plan) => ({ ...plan, chosen: plan.planId === state?.planId })) : [],
    wallet: await walletModel(context, active, standing?.account.phone ?? null),
    mayKeep: active.some(({ keepsMethods }) => keepsMethods),
    events: events.map((event) => eventModel(context, event)),
  };
  const status = faults === undefined ? 200 : 422;
  return context.page('customer/autopay/autopay', model, { title, status });
}

function methodModel(context: Context, method: StoredMethod, chosen: number | null) {
  const { id, label, kind, gateway, expiresAt } = method;
  const isOver = expiresAt !== null && expiresAt <= context.now;
  return {
    id,
    label,
    by: gatewayName(gateway),
    kind: context.t(`autopay.kind-${kind}`),
    expiresAt,
    isOver,
    chosen: id === chosen,
  };
}

const whatWords = (context: Context, what: PaidFor): string =>
  'plan' in what
    ? context.t('autopay.for-plan', { plan: what.plan })
    : context.t('autopay.for-invoice', { number: what.number });

/** A line of what it did: the words of the act, and what it was about. */
function eventModel(context: Context, { at, why, detail }: AutoPayEvent) {
  const { plan, number, amountRupiah, cause, method } = detail;
  const rupiah = typeof amountRupiah === 'number' ? context.format.rupiah(amountRupiah) : null;
  const what =
    typeof number === 'string'
      ? whatWords(context, { number })
      : typeof plan === 'string'
        ? whatWords(context, { plan })
        : null;
  const more = [
    rupiah,
    what,
    typeof cause === 'string' ? context.t(`autopay.fault-${cause}`) : null,
    typeof method === 'string' ? method : null,
  ];
  return {
    at,
    words: context.t(`autopay.did-${why.replaceAll(' ', '-')}`),
    good: why === 'auto-pay paid',
    bad: why === 'auto-pay failed',
    more: more.filter((one) => one !== null).join(' · '),
  };
}
