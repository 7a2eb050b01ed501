import type { FastifyReply } from 'fastify';
import { startOf } from '#domain/billing';
import { type ChangePreview, placeChange, previewChange } from '#operations/change-package';
import { linkFor } from '#portal/customer/invoices/pay';
import { offer, priceOf } from '#portal/customer/offer';
import { customerStanding } from '#portal/customer/standing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, rowNumber } from '#portal/shared/forms';
import { invoiceOf } from '#storage/invoices';

const PATH = '/customer/wifi?tab=upgrade';

/** Another package: choose, see what it comes to, accept, pay; it is changed when it is paid. */
export function upgradeRoutes(doors: Doors): void {
  doors.customer('POST', '/customer/wifi/upgrade', async (context) => {
    const form = formOf(context.request.body);
    const asked = askOf(form);
    if (asked === null) return context.redirect(PATH);
    const expectedTotalRupiah = field(form, 'expected');
    const { subscriberId } = context;
    const placed = await attempt(() => placeChange(context.desk, { subscriberId, ...asked, expectedTotalRupiah }));
    if (placed.faults !== undefined) return preview(context, asked, placed.faults);
    return after(context, placed.done);
  });
}

/** Where it goes on: to the payment page of a gateway, or to the order, which says how else it may be paid. */
async function after(
  context: Context,
  { purchaseNumber, invoicePublicId, totalRupiah }: Awaited<ReturnType<typeof placeChange>>,
): Promise<FastifyReply> {
  if (purchaseNumber === null) {
    return context.redirect('/customer', { kind: 'good', text: context.t('upgrade.from-next') });
  }
  const order = `/prepaid/portal/orders/${purchaseNumber}`;
  if (totalRupiah === 0 || invoicePublicId === null) {
    context.opened.live.wakeEnforcement();
    return context.redirect(order);
  }
  const invoice = await invoiceOf(context.db, context.subscriberId, invoicePublicId);
  const link = await linkFor(context, invoice);
  if (typeof link !== 'string') return context.redirect(`/customer/invoices/${invoicePublicId}/pay`);
  // Without a gateway the order shows the other ways; that one failed is said, and can be tried again there.
  if (link === 'no-gateway') return context.redirect(order);
  return context.redirect(order, { kind: 'bad', text: context.t(`invoices-customer.${link}`) });
}

type Asked = { readonly planId: number; readonly promoCode: string };

function askOf(form: Form): Asked | null {
  const planId = rowNumber(field(form, 'plan'));
  return planId === null ? null : { planId, promoCode: field(form, 'promo') };
}

export async function upgradePage(context: Context): Promise<FastifyReply> {
  const asked = askOf(formOf(context.request.query));
  return asked === null ? list(context, 200) : preview(context, asked);
}

async function list(context: Context, status: number, faults?: readonly string[]): Promise<FastifyReply> {
  const [plans, standing] = await Promise.all([offer(context), customerStanding(context, context.subscriberId)]);
  const title = context.t('upgrade.title');
  const current = standing?.entitlement.plan ?? null;
  const model = {
    tab: { upgrade: true },
    plans: plans
      .filter((plan) => plan.monthly || standing?.account.billing !== 'postpaid')
      .map((plan) => ({ ...plan, current: plan.name === current?.name })),
    current: current?.name ?? null,
    until: standing?.coveredUntil ?? null,
    suspended: standing?.is === 'suspended',
    faults: faults?.map((fault) => context.said(fault)),
  };
  return context.page('customer/wifi/upgrade', model, { title, status });
}

async function preview(context: Context, asked: Asked, faults: readonly string[] = []): Promise<FastifyReply> {
  const { subscriberId, desk } = context;
  const standing = await customerStanding(context, subscriberId);
  if (standing?.is === 'suspended') return list(context, faults.length === 0 ? 200 : 422);
  const look = (promoCode: string) =>
    attempt(() => previewChange(desk, { subscriberId, planId: asked.planId, promoCode }));
  const first = await look(asked.promoCode);
  // A code that does not count says so beside the price without it.
  const shown = first.faults !== undefined && asked.promoCode !== '' ? await look('') : first;
  if (shown.faults !== undefined) return list(context, 422, faults.length === 0 ? shown.faults : faults);
  const all = [...new Set([...faults, ...(first.faults ?? [])])];
  const title = context.t('upgrade.preview');
  const model = {
    tab: { upgrade: true },
    planId: asked.planId,
    promo: first.faults === undefined ? asked.promoCode : '',
    typedPromo: asked.promoCode,
    faults: all.length === 0 ? null : all.map((fault) => context.said(fault)),
    ...previewOf(context, shown.done),
  };
  return context.page('customer/wifi/preview', model, { title, status: all.length === 0 ? 200 : 422 });
}

function previewOf(context: Context, change: ChangePreview) {
  const { from, to, lines, taxRupiah, totalRupiah, creditRupiah, begins, until, next, billing } = change;
  const sum = lines.reduce((total, { amountRupiah }) => total + amountRupiah, 0);
  const paid = totalRupiah > 0;
  return {
    from,
    to: to.plan,
    lines,
    tax: taxRupiah === 0 ? null : { rupiah: taxRupiah, added: totalRupiah === Math.max(0, sum) + taxRupiah },
    total: priceOf(context, totalRupiah),
    expected: totalRupiah,
    credit: creditRupiah > 0 ? creditRupiah : null,
    paid,
    // Of a subscription that has not begun only what is billed next changes.
    later: begins > context.now ? begins : null,
    until,
    next: next === null ? null : { at: startOf(next.on, context.parts.zone), rupiah: next.rupiah },
    postpaid: billing === 'postpaid',
  };
}
