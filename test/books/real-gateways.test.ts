import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway, Gateways } from '#domain/gateway';
import { askGateway } from '#operations/ask-gateway';
import { refundPayment } from '#operations/refund-payment';
import { startPayment } from '#operations/start-payment';
import { lastPayment, openTill, type Till, TOTAL } from '#test/books/till';
import { midtransPair, NOW, xenditPair } from '#test/gateways/harness';

/** Refunds through the gateways' own clients, against stand-ins of the gateways. */

let till: Till;
beforeAll(async () => {
  till = await openTill();
});

const only = (gateway: Gateway): Gateways => ({
  active: async () => [gateway],
  named: async (name) => (name === gateway.name ? gateway : null),
});

/** Somebody who paid an invoice by a link of this gateway; `pay` is what they do there. */
async function paidBy(gateway: Gateway, pay: (orderId: string) => void) {
  await till.reset();
  till.desk.setClock(NOW);
  const { id } = await till.subscriber();
  const invoice = await till.invoice(id);
  const gateways = only(gateway);
  const payable = { subscriberId: id, invoice: invoice.publicId };
  const { orderId } = await startPayment(till.desk, gateways, payable, { returnUrl: 'https://portal.test/' });
  pay(orderId);
  expect(await askGateway(till.desk, gateways, orderId)).toBe('settled');
  const payment = await lastPayment(till.desk.db);
  let keys = 0;
  const refund = (amountRupiah: number) => {
    keys += 1;
    return refundPayment(till.desk, gateways, {
      payment,
      how: 'gateway',
      amountRupiah,
      reason: 'salah',
      key: `real-refund-${keys}`,
    });
  };
  const kinds = async () =>
    (await till.desk.db.query<{ kind: string }>('select kind from refund order by id')).map(({ kind }) => kind);
  return { id, invoice, orderId, gateways, refund, kinds };
}

describe('Midtrans', () => {
  test('a part of QRIS, then the rest: the books follow', async () => {
    const { midtrans, gateway } = await midtransPair();
    const one = await paidBy(gateway, (orderId) => midtrans.pay(orderId, 'qris', false));
    expect(await one.refund(11_000)).toMatchObject({ came: 'done' });
    expect(await till.account('refund')).toBe(11_000);
    expect(await one.refund(100_000)).toMatchObject({ came: 'done' });
    expect([await till.account('clearing:midtrans'), await till.account('refund')]).toEqual([0, 0]);
    expect(await till.faults()).toEqual([]);
  });

  test('all of a card that is only captured is cancelled there, and is a refund of ours all the same', async () => {
    const { midtrans, gateway } = await midtransPair();
    const one = await paidBy(gateway, (orderId) => midtrans.pay(orderId, 'credit_card', false));
    expect(await one.refund(TOTAL)).toMatchObject({ came: 'done' });
    expect(await one.kinds()).toEqual(['refund']);
    // It is not owed again, as it would be if the bank had taken the money back.
    expect((await till.shown(one.invoice.number)).settledAt).toBe(NOW);
    expect([await till.account('clearing:midtrans'), await till.credit(one.id)]).toEqual([0, 0]);
    expect(await askGateway(till.desk, one.gateways, one.orderId)).toBe('known');
  });

  test('a bank transfer cannot go back there: it says so, and nothing is booked', async () => {
    const { midtrans, gateway } = await midtransPair();
    const one = await paidBy(gateway, (orderId) => midtrans.pay(orderId, 'bank_transfer', false));
    expect(await one.refund(TOTAL)).toMatchObject({ came: 'refused' });
    expect([await till.account('clearing:midtrans'), await till.account('refund')]).toEqual([TOTAL, 0]);
  });
});

test('Xendit: what it gave back is in the books when it says so', async () => {
  const { xendit, gateway } = await xenditPair();
  const one = await paidBy(gateway, (orderId) => xendit.pay(orderId, 'OVO', { notify: false }));
  const { came } = await one.refund(11_000);
  expect(['done', 'asked']).toContain(came);
  await askGateway(till.desk, one.gateways, one.orderId);
  expect(await till.account('refund')).toBe(11_000);
  expect(await one.kinds()).toEqual(['refund']);
  expect(await till.faults()).toEqual([]);
});
