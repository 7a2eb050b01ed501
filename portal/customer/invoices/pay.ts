import { Unavailable } from '#domain/errors';
import { GATEWAYS, type GatewayName, GatewayRefusal } from '#domain/gateway';
import { NoGateway, NotPayable, type StartedPayment, startPayment } from '#operations/start-payment';
import { billsOf, isWebAddress } from '#portal/customer/invoices/bills';
import type { Context } from '#portal/shared/context';
import { ApiRefusal, type Doors } from '#portal/shared/doors';
import { field, formOf } from '#portal/shared/forms';
import { type Invoice, invoiceOf } from '#storage/invoices';
import { purchaseNumberOf } from '#storage/purchases';

/** The link of an invoice: for the script of a page, and for who has none. */
export function payRoutes(doors: Doors): void {
  doors.customerApi('/api/customer/invoices/payment', async (context) => {
    const query = formOf(context.request.query);
    const publicId = field(query, 'invoiceId');
    if (publicId === '') throw new ApiRefusal(400, context.t('invoices-customer.no-id'));
    const invoice = await invoiceOf(context.db, context.subscriberId, publicId);
    const refuse = (why: Refused) => {
      throw new ApiRefusal(STATUS[why], context.t(`invoices-customer.${why}`));
    };
    const started = await linkFor(context, invoice, gatewayOf(query));
    if (typeof started === 'string' || invoice === null) return refuse(started as Refused);
    const { number, owedRupiah, dueOn } = invoice;
    return {
      success: true,
      paymentLink: started.url,
      invoice: { id: publicId, invoiceNumber: number, amount: owedRupiah, dueDate: dueOn },
    };
  });

  doors.customer('POST', '/customer/invoices/:id/pay', async (context) => {
    const invoice = await ownInvoice(context);
    const started = await linkFor(context, invoice, gatewayOf(formOf(context.request.body)));
    const page = `/customer/invoices/${invoice.publicId}`;
    if (typeof started !== 'string') return context.redirect(`${page}/pay`);
    // What was not settled before and is now was paid out of the balance.
    const paid = invoice.settledAt === null && (await ownInvoice(context)).settledAt !== null;
    if (paid) context.opened.live.wakeEnforcement();
    const text = context.t(`invoices-customer.${paid ? 'paid-by-balance' : started}`);
    return context.redirect(page, { kind: paid ? 'good' : 'bad', text });
  });

  // A form may not end at another site (form-action 'self', of which browsers make redirects a part): a page of ours in
  // between leads on, by itself and by a link.
  doors.customer('GET', '/customer/invoices/:id/pay', async (context) => {
    const invoice = await ownInvoice(context);
    const { publicId } = invoice;
    const [bill] = await billsOf(context, [invoice]);
    const url = bill?.pay?.url ?? null;
    if (url === null) return context.redirect(`/customer/invoices/${publicId}`);
    const title = context.t('invoices-customer.going');
    return context.page('customer/invoices/go', { title, url, publicId }, { title, forwardTo: url });
  });
}

/** Why there is no link; the keys of what is said then. */
type Refused = 'not-payable' | 'no-gateway' | 'gateway-failed';
const STATUS: Readonly<Record<Refused, number>> = { 'not-payable': 404, 'no-gateway': 503, 'gateway-failed': 500 };

/** The link of an invoice, or why there is none. */
export async function linkFor(
  context: Context,
  invoice: Invoice | null,
  gateway?: GatewayName,
): Promise<StartedPayment | Refused> {
  if (invoice === null) return 'not-payable';
  const { desk, opened, subscriberId, parts } = context;
  try {
    const choice = { returnUrl: await returnUrlOf(context, invoice), ...(gateway === undefined ? {} : { gateway }) };
    const payable = { subscriberId, invoice: invoice.publicId };
    const started = await startPayment(desk, opened.gateways, payable, choice);
    if (isWebAddress(started.url)) return started;
    parts.log.error({ orderId: started.orderId }, 'a payment link is no web address');
    return 'gateway-failed';
  } catch (error) {
    if (error instanceof NotPayable) return 'not-payable';
    if (error instanceof NoGateway) return 'no-gateway';
    if (!(error instanceof Unavailable || error instanceof GatewayRefusal)) throw error;
    parts.log.warn({ err: error, invoice: invoice.number }, 'a payment link could not be made');
    return 'gateway-failed';
  }
}

/** Where the gateway sends the browser back to: the order that is waited for, else the invoice. */
async function returnUrlOf({ db, publicUrl }: Context, { publicId, purchaseId }: Invoice): Promise<string> {
  const number = purchaseId === null ? null : await purchaseNumberOf(db, purchaseId);
  return `${publicUrl}${number === null ? `/customer/invoices/${publicId}` : `/prepaid/portal/orders/${number}`}?back=1`;
}

/** The gateway that was chosen; undefined = the customer leaves it to us. */
function gatewayOf(form: ReturnType<typeof formOf>): GatewayName | undefined {
  const chosen = field(form, 'gateway');
  return GATEWAYS.find((name) => name === chosen);
}

/** The invoice of the address; somebody else's is not found, like one that never was. */
export async function ownInvoice(context: Context): Promise<Invoice> {
  const { id } = context.request.params as { id: string };
  const invoice = /^inv_[0-9A-Za-z]{20}$/.test(id) ? await invoiceOf(context.db, context.subscriberId, id) : null;
  if (invoice === null) throw Object.assign(new Error('no such invoice of this customer'), { statusCode: 404 });
  return invoice;
}
