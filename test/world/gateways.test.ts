import { expect, onTestFinished, test } from 'vitest';
import { type Receiver, receiver } from '#test/gateways/harness';
import { startMidtrans } from '#test/world/midtrans';
import { startXendit } from '#test/world/xendit';

/** The simulated gateways themselves: how often they tell of a payment, and what their pages are to a customer. */

const BASIC = { authorization: `Basic ${Buffer.from('key:').toString('base64')}` };
/** Only where no answer comes is it not waited for: this machine may be busy. */
const quick = (answer: number | null) => ({ hurry: 1_000_000, patienceMs: answer === null ? 100 : 30_000 });

async function midtransOf(told: Receiver, answer: number | null = 200) {
  const midtrans = await startMidtrans({ serverKey: 'key', notificationUrl: told.url, ...quick(answer) });
  onTestFinished(() => midtrans.stop());
  const body = JSON.stringify({ transaction_details: { order_id: 'A-1', gross_amount: 5000 } });
  const created = await fetch(`${midtrans.url}/snap/v1/transactions`, { method: 'POST', headers: BASIC, body });
  const { redirect_url: link } = (await created.json()) as { redirect_url: string };
  return { midtrans, link };
}

async function xenditOf(told: Receiver, answer: number | null = 200) {
  const xendit = await startXendit({ apiKey: 'key', callbackToken: 'token', webhookUrl: told.url, ...quick(answer) });
  onTestFinished(() => xendit.stop());
  const body = JSON.stringify({ external_id: 'A-1', amount: 5000, invoice_duration: 3600 });
  const created = await fetch(`${xendit.url}/v2/invoices/`, { method: 'POST', headers: BASIC, body });
  const { invoice_url: link } = (await created.json()) as { invoice_url: string };
  return { xendit, link };
}

const press = (link: string, act: string) => fetch(link, { method: 'POST', body: `act=${act}`, redirect: 'manual' });

test.each([
  [200, 1],
  [204, 1],
  [302, 1],
  [400, 3],
  [404, 3],
  [500, 2],
  [503, 5],
  [401, 6],
  [null, 6],
])('Midtrans, answered %s, tells %i times', async (status, times) => {
  const told = await receiver();
  told.answer = () => status;
  const { midtrans } = await midtransOf(told, status);
  midtrans.choose('A-1', 'qris');
  await midtrans.deliveries[0]!.done;
  expect(midtrans.deliveries[0]!.attempts.map((attempt) => attempt.status)).toEqual(Array(times).fill(status));
  expect(new Set(told.events.map(({ raw }) => raw.toString())).size).toBe(1);
});

test.each([
  [200, 1],
  [500, 7],
  [404, 7],
  [null, 1],
])('Xendit, answered %s, tells %i times', async (status, times) => {
  const told = await receiver();
  told.answer = () => status;
  const { xendit } = await xenditOf(told, status);
  xendit.pay('A-1');
  await xendit.deliveries[0]!.done;
  expect(xendit.deliveries[0]!.attempts.map((attempt) => attempt.status)).toEqual(Array(times).fill(status));
});

test('both stop telling when it is taken', async () => {
  const told = await receiver();
  told.answer = () => (told.events.length < 3 ? 503 : 200);
  const { midtrans } = await midtransOf(told);
  midtrans.choose('A-1');
  await midtrans.deliveries[0]!.done;
  expect(midtrans.deliveries[0]!.attempts.map(({ status }) => status)).toEqual([503, 503, 200]);
});

test('without the right key nothing is told', async () => {
  const { midtrans } = await midtransOf(await receiver());
  const { xendit } = await xenditOf(await receiver());
  for (const url of [
    `${midtrans.url}/v2/A-1/status`,
    `${midtrans.url}/snap/v1/transactions`,
    `${xendit.url}/v2/invoices`,
  ]) {
    const headers = { authorization: `Basic ${Buffer.from('other:').toString('base64')}` };
    expect((await fetch(url, { headers })).status, url).toBe(401);
    expect((await fetch(url)).status, url).toBe(401);
  }
});

test("Midtrans' page: later, failed, tried again, paid", async () => {
  const { midtrans, link } = await midtransOf(await receiver());
  expect(await (await fetch(link)).text()).toMatch(/A-1.*Rp 5\.000[\s\S]*<button name="act" value="pay">Bayar/);
  await press(link, 'wait');
  expect(midtrans.order('A-1').status).toBe('pending');
  await press(link, 'fail');
  expect(midtrans.order('A-1').status).toBe('deny');
  await press(link, 'pay');
  expect(midtrans.order('A-1').status).toBe('settlement');
  expect(await (await fetch(link)).text()).toContain('sudah selesai');
  expect((await press(link, 'pay')).status).toBe(409);
});

test("Xendit's page: failed changes nothing, paid is paid", async () => {
  const { xendit, link } = await xenditOf(await receiver());
  expect(await (await fetch(link)).text()).toContain('Rp 5.000');
  await press(link, 'fail');
  expect(xendit.invoice('A-1').status).toBe('PENDING');
  await press(link, 'pay');
  expect(xendit.invoice('A-1')).toMatchObject({ status: 'PAID', paidAmount: 5000, channel: 'BCA' });
  expect(await (await fetch(link)).text()).toContain('sudah dibayar');
});
