import type { FastifyReply } from 'fastify';
import { InvalidInput, Unavailable } from '#domain/errors';
import { GATEWAYS, GatewayRefusal } from '#domain/gateway';
import { NoGateway, type StartedPayment } from '#operations/start-payment';
import { LEAST_TOP_UP, MOST_TOP_UP, type TopUp, topUp, topUpOf } from '#operations/top-up';
import { askOrder, comesBack } from '#portal/customer/invoices/ask';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { type Form, field, formOf } from '#portal/shared/forms';
import { gatewayName } from '#portal/shared/methods';
import { creditOf } from '#storage/ledger';
import { newestTopUpOf } from '#storage/payment-intents';

const PATH = '/customer/topup';
const AMOUNTS = [25_000, 50_000, 100_000, 200_000, 500_000] as const;
const RELOAD_SECONDS = 15;

/** The balance: fill it at a gateway, and see whether that came. */
export function topUpPages(doors: Doors): void {
  doors.customer('GET', PATH, async (context) => {
    const query = formOf(context.request.query);
    // The gateway's page leads back without knowing the order, or under a name of its own.
    const order = comesBack(query) ? await newestTopUpOf(context.db, context.subscriberId) : null;
    return order === null ? fill(context, query) : context.redirect(`${PATH}/${order}?back=1`);
  });

  doors.customer('POST', PATH, async (context) => {
    const form = formOf(context.request.body);
    const started = await start(context, form);
    if (typeof started === 'string') return fill(context, form, started);
    return context.redirect(`${PATH}/${started.orderId}/pay`);
  });

  doors.customer('GET', `${PATH}/:orderId`, async (context) => {
    const before = await own(context);
    if (before.is === 'waiting' && comesBack(context.request.query)) await askOrder(context, before.orderId);
    const found = await own(context);
    const title = context.t('autopay.top-up');
    const credit = await creditOf(context.db, context.subscriberId);
    const model = { ...found, is: { [found.is]: true }, credit };
    const reload = found.is === 'waiting' ? { refreshSeconds: RELOAD_SECONDS } : {};
    return context.page('customer/autopay/topup-state', model, { title, ...reload });
  });

  // As for invoices: a form may not end at another site, so a page of ours in between leads on.
  doors.customer('GET', `${PATH}/:orderId/pay`, async (context) => {
    const { url, orderId } = await own(context);
    if (url === null || !/^https?:\/\//.test(url)) return context.redirect(`${PATH}/${orderId}`);
    const title = context.t('invoices-customer.going');
    return context.page('customer/autopay/go', { title, url, orderId }, { title, forwardTo: url });
  });
}

/** The link, or the key of what to say instead. */
async function start(context: Context, form: Form): Promise<StartedPayment | string> {
  const { desk, opened, subscriberId, publicUrl, parts } = context;
  const chosen = GATEWAYS.find((name) => name === field(form, 'gateway'));
  const save = field(form, 'save') === 'on';
  const amount = field(form, 'own') === '' ? field(form, 'amount') : field(form, 'own');
  try {
    // Only some keep what is paid by.
    const keepers = save ? (await opened.gateways.active()).filter(({ keepsMethods }) => keepsMethods) : [];
    const gateway = keepers.length === 0 || keepers.some(({ name }) => name === chosen) ? chosen : keepers[0]!.name;
    const input = { subscriberId, amount, gateway, save: keepers.length > 0 };
    return await topUp(desk, opened.gateways, input, `${publicUrl}${PATH}?back=1`);
  } catch (error) {
    if (error instanceof InvalidInput) return 'autopay.amount-wrong';
    if (error instanceof NoGateway) return 'invoices-customer.no-gateway';
    if (!(error instanceof Unavailable || error instanceof GatewayRefusal)) throw error;
    parts.log.warn({ err: error }, 'a link for a top-up could not be made');
    return 'invoices-customer.gateway-failed';
  }
}

async function fill(context: Context, form: Form, fault?: string): Promise<FastifyReply> {
  const { db, format, subscriberId, opened } = context;
  const [credit, active] = await Promise.all([creditOf(db, subscriberId), opened.gateways.active()]);
  const title = context.t('autopay.top-up');
  const keeper = active.find(({ keepsMethods }) => keepsMethods);
  const typed = field(form, 'own');
  const asked = Number(field(form, 'amount')) || 50_000;
  const model = {
    credit,
    amounts: AMOUNTS.map((amount) => ({
      amount,
      shown: format.rupiah(amount),
      chosen: typed === '' && amount === asked,
    })),
    own: typed,
    least: format.rupiah(LEAST_TOP_UP),
    most: format.rupiah(MOST_TOP_UP),
    gateways: active.map(({ name }) => ({ name, shown: gatewayName(name), chosen: name === field(form, 'gateway') })),
    several: active.length > 1,
    keeper: keeper === undefined ? null : gatewayName(keeper.name),
    save: ['1', 'on'].includes(field(form, 'save')),
    fault:
      fault === undefined
        ? null
        : context.t(fault, { least: format.rupiah(LEAST_TOP_UP), most: format.rupiah(MOST_TOP_UP) }),
    amountFault: fault === 'autopay.amount-wrong',
  };
  return context.page('customer/autopay/topup', model, { title, status: fault === undefined ? 200 : 422 });
}

/** The top-up of the address; somebody else's is not found, like one that never was. */
async function own(context: Context): Promise<TopUp> {
  const { orderId } = context.request.params as { orderId: string };
  const { db, opened, subscriberId, now } = context;
  const found = /^TOPUP-[0-9a-f]{1,40}$/.test(orderId)
    ? await topUpOf(db, opened.sealer, subscriberId, orderId, now)
    : null;
  if (found === null) throw Object.assign(new Error('no such top-up of this customer'), { statusCode: 404 });
  return found;
}
