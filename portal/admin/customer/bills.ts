import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { recordPayment } from '#operations/record-payment';
import { navigationKey, noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import { invoiceRow } from '#portal/admin/invoices/invoices';
import { labelled } from '#portal/admin/payments/rows';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { creditOf } from '#storage/ledger';
import { listInvoices } from '#storage/money-lists';
import type { SubscriberProfile } from '#storage/subscriber-profile';

const SHOWN = 5;

/** What a subscriber owes and owed lately, and what they have with us, for the card of money on the staff's page. */
export async function billsOf(context: Context, subscriberId: number) {
  const { db, now } = context;
  const [found, credit] = await Promise.all([
    listInvoices(db, { subscriberId, page: 1, pageSize: SHOWN, now }),
    creditOf(db, subscriberId),
  ]);
  return {
    // Roles without money see how the invoices stand, and cannot open them.
    rows: found.rows.map((row) => ({ ...invoiceRow(context, row), open: context.allowed('money') })),
    others: found.total - found.rows.length,
    credit: Math.max(0, credit),
    debt: Math.max(0, -credit),
  };
}

/** Money that comes in over the counter for nothing in particular: it is credit, and pays what is owed. */
export function creditRoutes(doors: Doors): void {
  doors.staff('GET', '/customers/:id/credit', 'money', async (context) => {
    const profile = await profileOf(context);
    return profile === null ? noSuchCustomer(context) : creditForm(context, profile);
  });

  doors.staff('POST', '/customers/:id/credit', 'money', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const form = formOf(context.request.body);
    const [method, amountRupiah, note, key] = ['method', 'amountRupiah', 'note', 'key'].map((name) =>
      field(form, name),
    );
    const { username } = profile;
    const given = { username, method, amountRupiah, note, key };
    const done = await attempt(() => recordPayment(context.desk, given));
    if (done.faults !== undefined) return creditForm(context, profile, { form, faults: done.faults });
    context.opened.live.wakeEnforcement();
    const { before, creditRupiah } = done.done;
    const text = context.t(before ? 'invoices.paid-before' : 'invoices.credit-now', {
      amount: context.format.rupiah(creditRupiah),
    });
    return context.redirect(`/customers/${profile.id}`, { kind: 'good', text });
  });
}

async function creditForm(
  context: Context,
  profile: SubscriberProfile,
  refused?: { readonly form: Form; readonly faults: readonly string[] },
): Promise<FastifyReply> {
  const title = context.t('customer.take-credit-title', { name: shownName(profile) });
  return context.page(
    'admin/customer/credit',
    {
      title,
      profile,
      credit: await creditOf(context.db, profile.id),
      key: (refused !== undefined && field(refused.form, 'key')) || randomBytes(12).toString('hex'),
      typed: refused?.form ?? {},
      faults: labelled(context, refused?.faults),
    },
    { title, active: navigationKey(profile), status: refused === undefined ? 200 : 422 },
  );
}
