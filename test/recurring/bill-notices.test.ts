import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LocalDate } from '#domain/billing';
import type { GatewayTruth } from '#domain/gateway';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { addSubscriber } from '#operations/add-subscriber';
import { applyTruth } from '#operations/apply-truth';
import { chooseAutoPay } from '#operations/auto-pay';
import { issueInvoice } from '#operations/issue-invoice';
import { queueBillNotices } from '#operations/queue-bill-notices';
import { receivePayment } from '#operations/receive-payment';
import { saveSettings } from '#operations/settings';
import { saveTemplate } from '#operations/templates';
import { change } from '#storage/change';
import { type Invoice, lockInvoice, setVoided } from '#storage/invoices';
import { openBody } from '#storage/messages';
import { insertIntent } from '#storage/payment-intents';
import { readSettings } from '#storage/settings';
import { emptied, NOW, secondNode, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
beforeAll(async () => {
  desk = await testDesk();
});
beforeEach(async () => {
  await emptied(desk);
});

let people = 0;
const person = async (more = {}): Promise<number> => {
  people += 1;
  const fields = { username: `tagih${people}`, password: 'pw', name: 'Ibu Sari', phone: '081270004321', ...more };
  return (await addSubscriber(desk, { billing: 'postpaid', ...fields })).id;
};

/** An invoice of Rp 150.000, due a week later where nothing else is said. */
async function bill(subscriberId: number, dueOn?: LocalDate): Promise<Invoice> {
  const { billing } = await readSettings(desk.db);
  const lines = [{ kind: 'plan', description: 'Home 20', planRevisionId: null, amountRupiah: 150_000 }] as const;
  return change(desk.db, { actor: 'test', why: 'issue invoice', subscriberId }, async (tx) => {
    const order = { subscriberId, kind: 'other', lines, ...(dueOn === undefined ? {} : { dueOn }) } as const;
    return (await lockInvoice(tx, (await issueInvoice(tx, desk, billing, order)).id))!;
  });
}
const pay = (invoice: Invoice) =>
  change(desk.db, { actor: 'test', why: 'pay' }, async (tx) => {
    const locked = (await lockInvoice(tx, invoice.id))!;
    const money = { subscriberId: locked.subscriberId, amountRupiah: 150_000, method: 'cash', gateway: null };
    return receivePayment(tx, desk, { ...money, invoice: locked, receivedAt: desk.clock() });
  });

const run = () => queueBillNotices(desk);
const at = (instant: Instant) => {
  desk.setClock(instant);
  return run();
};
type Told = { readonly notice: string; readonly text: string; readonly dueAt: Instant; readonly gone: boolean };
async function told(id: number): Promise<Told[]> {
  const rows = await desk.db.query<Told & { id: number; body: Buffer }>(
    `select id, notice, body_sealed as body, due_at as "dueAt", cancelled_at is not null as gone from message
      where subscriber_id = $1 order by id`,
    [id],
  );
  return rows.map(({ body, ...row }) => ({ ...row, text: openBody(desk.sealer, row.id, body).text }));
}
const notices = async (id: number) => (await told(id)).map(({ notice }) => notice);

/** Due on 28 Nov; the first instant of the day three days before. */
const SOON = Date.parse('2026-11-25T00:00+07:00');
const OVERDUE = Date.parse('2026-11-29T00:00+07:00');

describe('an invoice', () => {
  test('is told of when it is issued, three days before it is due, and once when it is overdue', async () => {
    const id = await person();
    const { publicId, number } = await bill(id);
    expect(await run()).toEqual({ 'invoice-issued': 1, 'invoice-due': 0, 'invoice-overdue': 0, outdated: 0 });
    expect(await at(NOW + HOUR)).toMatchObject({ 'invoice-issued': 0 });
    expect(await at(SOON - MINUTE)).toMatchObject({ 'invoice-due': 0 });
    expect(await at(SOON)).toMatchObject({ 'invoice-due': 1 });
    expect(await at(OVERDUE - MINUTE)).toMatchObject({ 'invoice-due': 0, 'invoice-overdue': 0 });
    expect(await at(OVERDUE)).toMatchObject({ 'invoice-overdue': 1 });
    expect(await at(OVERDUE + DAY)).toMatchObject({ 'invoice-overdue': 0 });
    expect(await notices(id)).toEqual(['invoice-issued', 'invoice-due', 'invoice-overdue']);
    for (const { text } of await told(id)) {
      expect(text).toContain('Halo Ibu Sari');
      expect(text).toContain(number);
      expect(text).toContain('Rp 150.000');
      expect(text).toContain('28 Nov 2026');
      expect(text).toContain(`https://portal.test/customer/invoices/${publicId}`);
    }
  });

  test('is told of in the reader’s language, in the text as it was edited', async () => {
    const id = await person({ language: 'en', name: '' });
    await bill(id);
    await saveTemplate(desk, { notice: 'invoice-issued', language: 'en', text: '{{number}}: {{amount}} by {{dueOn}}' });
    await run();
    expect((await told(id))[0]!.text).toBe('INV-2026-001: Rp 150.000 by 28 Nov 2026');
  });

  test('in the quiet hours is told of when they end', async () => {
    desk.setClock(Date.parse('2026-11-21T22:30+07:00'));
    const id = await person();
    await bill(id);
    await run();
    expect((await told(id))[0]!.dueAt).toBe(Date.parse('2026-11-22T07:00+07:00'));
  });

  test('that is paid or void is told of no more, and what still waits is taken back', async () => {
    await saveSettings(desk, 'reminders', { quietFrom: '08:00', quietTo: '23:00' });
    const [paid, voided, open] = [await person(), await person(), await person()] as const;
    const invoices = [await bill(paid), await bill(voided), await bill(open)] as const;
    expect(await run()).toMatchObject({ 'invoice-issued': 3 });
    await pay(invoices[0]);
    await setVoided(desk.db, invoices[1].id, NOW, 'test');
    expect(await run()).toMatchObject({ outdated: 2 });
    desk.setClock(SOON);
    expect(await run()).toMatchObject({ 'invoice-due': 1, outdated: 0 });
    expect((await told(paid)).map(({ notice, gone }) => [notice, gone])).toEqual([
      ['invoice-issued', true],
      ['payment-received', false],
    ]);
    expect((await told(voided)).map(({ gone }) => gone)).toEqual([true]);
    expect((await told(open)).map(({ gone }) => gone)).toEqual([false, false]);
  });

  test('due within three days when it is issued is told of once for both', async () => {
    const id = await person();
    await bill(id, '2026-11-23');
    await run();
    desk.setClock(NOW + DAY);
    await run();
    expect(await notices(id)).toEqual(['invoice-issued']);
  });

  test('that auto-pay will pay is not asked to be paid by hand, until auto-pay has paused', async () => {
    const [on, paused] = [await person(), await person()] as const;
    for (const id of [on, paused]) {
      await bill(id);
      await chooseAutoPay(desk, { subscriberId: id, methodId: null });
    }
    await desk.db.execute('update auto_pay set paused_at = now() where subscriber_id = $1', [paused]);
    await run();
    await at(SOON);
    expect(await notices(on)).toEqual(['invoice-issued']);
    expect(await notices(paused)).toEqual(['invoice-issued', 'invoice-due']);
  });

  test('that is old news after an outage is not told of', async () => {
    const id = await person();
    await bill(id);
    desk.setClock(NOW + 25 * HOUR);
    expect(await run()).toMatchObject({ 'invoice-issued': 0 });
    desk.setClock(OVERDUE + 3 * DAY);
    expect(await run()).toMatchObject({ 'invoice-overdue': 0 });
  });

  test('of who cannot be reached holds up nobody', async () => {
    const silent = [await person({ phone: null }), await person()] as const;
    await desk.db.execute(`update subscriber set phone = '123456' where id = $1`, [silent[1]]);
    for (const id of silent) await bill(id);
    const id = await person();
    await bill(id);
    expect(await run()).toMatchObject({ 'invoice-issued': 1 });
    expect(await notices(id)).toEqual(['invoice-issued']);
  });

  test('is told of once, however many nodes look at the same moment', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => person()));
    for (const id of ids) await bill(id);
    const other = await secondNode(desk);
    const all = await Promise.all([desk, other, desk].map((one) => queueBillNotices(one)));
    await other.db.close();
    expect(all.reduce((sum, one) => sum + one['invoice-issued'], 0)).toBe(20);
    for (const id of ids) expect(await notices(id)).toEqual(['invoice-issued']);
  });
});

describe('money that came in or went back', () => {
  const PAID: GatewayTruth = {
    state: 'paid',
    gatewayRef: 'ref-1',
    amountRupiah: 150_000,
    refundedRupiah: 0,
    currency: 'IDR',
    paidAt: NOW,
    method: 'qris',
    feeRupiah: null,
    saved: null,
  };
  async function byGateway(subscriberId: number, invoice: Invoice | null, save = false): Promise<string> {
    const orderId = `order-${subscriberId}`;
    const common = { orderId, gateway: 'midtrans', subscriberId, amountRupiah: 150_000, createdAt: NOW } as const;
    const more = { createdBy: 'test', claimedUntil: null, saveMethod: save, invoiceId: invoice?.id ?? null };
    await insertIntent(desk.db, { ...common, ...more });
    return orderId;
  }
  const says = (orderId: string, truth: Partial<GatewayTruth> = {}) =>
    applyTruth(desk, { gateway: 'midtrans', orderId }, { ...PAID, ...truth });

  test('by a gateway is told of once, however often that is said, with a link to its invoice', async () => {
    const id = await person();
    const invoice = await bill(id);
    const order = await byGateway(id, invoice);
    await Promise.all(Array.from({ length: 4 }, () => says(order)));
    const [only, ...more] = await told(id);
    expect(more).toEqual([]);
    expect(only!.text).toContain(`pembayaran Anda Rp 150.000 untuk tagihan ${invoice.number}`.replace('pem', 'Pem'));
    expect(only!.text).toContain(`/customer/invoices/${invoice.publicId}`);
  });

  test('in cash too; as a top-up it is for the balance', async () => {
    const id = await person();
    await pay(await bill(id));
    await says(await byGateway(id, null), { gatewayRef: 'ref-top-up' });
    const all = await told(id);
    expect(all.map(({ notice }) => notice)).toEqual(['payment-received', 'payment-received']);
    expect(all[1]!.text).toContain('untuk saldo Anda');
    expect(all[1]!.text).toContain('https://portal.test/customer/payments');
  });

  test('refunded is told of once for each part', async () => {
    const id = await person();
    const order = await byGateway(id, await bill(id));
    await says(order);
    for (const refundedRupiah of [50_000, 50_000, 150_000])
      await says(order, { state: refundedRupiah === 150_000 ? 'refunded' : 'partly-refunded', refundedRupiah });
    const refunds = (await told(id)).filter(({ notice }) => notice === 'refunded');
    expect(refunds).toHaveLength(2);
    expect(refunds[0]!.text).toContain('Kami mengembalikan Rp 50.000');
    expect(refunds[1]!.text).toContain('Kami mengembalikan Rp 100.000');
  });
});
