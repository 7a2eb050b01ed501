import { MINUTE } from '#domain/time';
import { cancelPurchase } from '#operations/cancel-purchase';
import { askAfterReturn, comesBack } from '#portal/customer/invoices/ask';
import { type Bill, billsOf } from '#portal/customer/invoices/bills';
import { priceOf } from '#portal/customer/offer';
import { windowModel } from '#portal/customer/window/window';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, formOf } from '#portal/shared/forms';
import { invoiceOfPurchase } from '#storage/invoices';
import { type LineState, lineState } from '#storage/portal-lines';
import { type Purchase, purchaseByNumber } from '#storage/purchases';

/** A line that is not back by then is not coming back in a moment: the page stops asking. */
const WATCHED_MS = 15 * MINUTE;
/** A router that has not dialled again by then needs a hand. */
const SLOW_MS = MINUTE;
/** What begins within that is beginning: it was paid while this page was made, or by a node whose clock is ahead. */
const AT_ONCE_MS = MINUTE;
const REFRESH_SECONDS = 5;
/** Without scripts each look is a whole page. */
const RELOAD_SECONDS = 15;

export function orderPage(doors: Doors): void {
  doors.customer('GET', '/prepaid/portal/orders/:number', async (context) => {
    if (comesBack(context.request.query)) await askAboutOrder(context);
    const order = await orderOf(context);
    const title = context.t('order.title', { number: order.number });
    const model = { ...order, refreshSeconds: REFRESH_SECONDS };
    return context.page(
      'customer/order/order',
      model,
      order.final ? { title } : { title, refreshSeconds: RELOAD_SECONDS },
    );
  });

  doors.customer('GET', '/prepaid/portal/orders/:number/state', async (context) => {
    const order = await orderOf(context);
    const { version } = formOf(context.request.query);
    return version === order.version ? context.reply.code(204).send() : context.part('customer/order/_order', order);
  });

  doors.customer('POST', '/prepaid/portal/orders/:number/cancel', async (context) => {
    const { number } = await ownPurchase(context);
    const cancelled = await attempt(() => cancelPurchase(context.desk, number));
    // Paid for meanwhile: the page says so itself.
    if (cancelled.faults !== undefined) return context.redirect(`/prepaid/portal/orders/${number}`);
    return context.redirect('/prepaid/portal/packages', { kind: 'good', text: context.t('order.was-cancelled') });
  });
}

/** The purchase of the address; somebody else's is not found, like one that never was. */
async function ownPurchase(context: Context): Promise<Purchase> {
  const { number } = context.request.params as { number: string };
  const purchase = /^P-[0-9A-Z]{8}$/.test(number) ? await purchaseByNumber(context.db, number, context.now) : null;
  if (purchase === null || purchase.subscriberId !== context.subscriberId)
    throw Object.assign(new Error('no such order of this customer'), { statusCode: 404 });
  return purchase;
}

/** The gateway may know already that it is paid. */
async function askAboutOrder(context: Context): Promise<void> {
  const purchase = await ownPurchase(context);
  const invoice = purchase.state === 'done' ? null : await invoiceOfPurchase(context.db, purchase.id);
  if (invoice !== null) await askAfterReturn(context, invoice.id);
}

/** What has become of an order, in the order in which it happens. */
type OrderStep =
  | 'waiting'
  | 'expired'
  | 'cancelled'
  /** Paid; the router has not taken it yet, or the line has not come back. */
  | 'connecting'
  /** Paid; begins when the package before it ends. */
  | 'later'
  | 'online'
  | 'ended'
  | 'revoked';

const FINAL: readonly OrderStep[] = ['expired', 'cancelled', 'later', 'online', 'ended', 'revoked'];

function stepOf({ state, from, until, revokedAt }: Purchase, line: LineState | null, now: number): OrderStep {
  if (state !== 'done') return state;
  if (revokedAt !== null) return 'revoked';
  if (from !== null && from > now + AT_ONCE_MS) return 'later';
  if (until !== null && until <= now) return 'ended';
  const there = line !== null && !line.settling && (line.access === 'static' || line.onlineSince !== null);
  return there ? 'online' : 'connecting';
}

async function orderOf(context: Context) {
  const purchase = await ownPurchase(context);
  const [line, { company }, bill, window] = await Promise.all([
    lineState(context.db, purchase.subscriberId, context.now),
    context.opened.settings(),
    billOf(context, purchase),
    purchase.state === 'waiting' ? windowModel(context) : null,
  ]);
  const step = stepOf(purchase, line, context.now);
  const paidFor = purchase.grantedAt === null ? 0 : context.now - purchase.grantedAt;
  const done = purchase.state === 'done';
  const slow = step === 'connecting' && paidFor > SLOW_MS;
  const final = FINAL.includes(step) || (step === 'connecting' && paidFor > WATCHED_MS);
  const price = priceOf(context, purchase.priceRupiah);
  const asked = bill === null ? price : priceOf(context, bill.rupiah);
  const ask = context.t('order.wa-pay', { number: purchase.number, plan: purchase.plan, price: asked });
  return {
    number: purchase.number,
    plan: purchase.plan,
    price,
    from: purchase.from,
    until: purchase.until,
    expiresAt: purchase.expiresAt,
    revokedAt: purchase.revokedAt,
    step,
    is: { [step]: true },
    stopped: step === 'expired' || step === 'cancelled' || step === 'revoked',
    done,
    began: done && step !== 'later' && step !== 'connecting',
    isStatic: line?.access === 'static',
    slow,
    final,
    version: [step, slow ? 'slow' : '', final ? 'final' : ''].join('.'),
    company,
    online: bill?.pay?.gateways.length ? bill.pay : null,
    gateways: bill?.pay?.gateways.map(({ shown }) => shown).join(' / '),
    // Less than the price where a promo, a credit note or what is left of another package counts.
    toPay: asked === price ? null : asked,
    bill: done ? bill?.publicId : null,
    window,
    methods: [
      { key: 'cash', icon: 'card', text: context.t('order.cash', { company: company.name }), detail: company.address },
      { key: 'transfer', icon: 'chat', text: context.t('order.transfer'), detail: '' },
    ],
    waPay: company.phone === null ? null : waLink(company.phone, ask),
  };
}

/** The invoice of an order that waits or is done; null of one that costs nothing. */
async function billOf(context: Context, purchase: Purchase): Promise<Bill | null> {
  const asked = purchase.state === 'waiting' || purchase.state === 'done';
  const invoice = asked ? await invoiceOfPurchase(context.db, purchase.id) : null;
  return invoice === null ? null : (await billsOf(context, [invoice]))[0]!;
}

const waLink = (phone: string, text: string): string =>
  `https://wa.me/${phone.replace(/\D/g, '')}?text=${encodeURIComponent(text)}`;
