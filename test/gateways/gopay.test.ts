import { describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { allOf, failureOf, IMPATIENT, midtransPair, receiver, request, SERVER_KEY } from '#test/gateways/harness';
import { json } from '#test/world/gateway-web';

const PHONE = '6281234565678';
const RETURN = 'https://portal.example.net/customer/autopay/wallet';
const at = (orderId: string) => ({ orderId, gatewayId: null });

/** A customer opened the page of GoPay that the link led to. */
async function opened(more: Parameters<typeof midtransPair>[0] = {}) {
  const pair = await midtransPair(more);
  const wallets = pair.gateway.wallets!;
  const link = await wallets.link({ phone: PHONE, returnUrl: RETURN });
  const say = (act: 'yes' | 'no') =>
    fetch(link.url, { method: 'POST', body: new URLSearchParams({ act }), redirect: 'manual' });
  return { ...pair, wallets, link, say };
}

async function linked(more: Parameters<typeof midtransPair>[0] = {}) {
  const pair = await opened(more);
  await pair.say('yes');
  return pair;
}

describe('GoPay is linked', () => {
  test('by its number as GoPay has it, at a page of GoPay that leads back to ours', async () => {
    const { midtrans, wallets, link, say } = await opened();
    expect(midtrans.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /v2/pay/account']);
    expect(JSON.parse(midtrans.requests[0]!.body)).toEqual({
      payment_type: 'gopay',
      gopay_partner: { phone_number: '81234565678', country_code: '62', redirect_url: RETURN },
    });
    expect(link.label).toBe('GoPay •••• 5678');
    expect(link.url).toBe(midtrans.gopay.pageOf());
    expect(await wallets.stateOf(link.token)).toBe('pending');
    expect((await say('yes')).headers.get('location')).toBe(RETURN);
    expect(await wallets.stateOf(link.token)).toBe('linked');
  });

  test.each([
    ['said no', 'EXPIRED'],
    ['unlinked it in the app', 'DISABLED'],
  ] as const)('or is not, when the customer %s', async (_what, status) => {
    const { midtrans, wallets, link } = await linked();
    midtrans.gopay.become(status);
    expect(await wallets.stateOf(link.token)).toBe('ended');
  });

  test('not when GoPay does not know the number, in its own words and without the key', async () => {
    const { midtrans, gateway } = await midtransPair();
    midtrans.gopay.unknown.add('81234565678');
    const error = await failureOf(gateway.wallets!.link({ phone: PHONE, returnUrl: RETURN }));
    expect(error).toMatchObject({ code: 'refused' });
    expect(error.message).toContain('User Not Found');
    midtrans.fault('echo');
    const echoed = await failureOf(gateway.wallets!.link({ phone: PHONE, returnUrl: RETURN }));
    expect(allOf(echoed)).not.toContain(SERVER_KEY);
  });

  test('not when it is linked already: whoever types a number need not be whose it is', async () => {
    const { gateway } = await linked();
    const again = gateway.wallets!.link({ phone: PHONE, returnUrl: RETURN });
    expect(await failureOf(again)).toMatchObject({ code: 'refused' });
  });

  test('not abroad', async () => {
    const { midtrans, gateway } = await midtransPair();
    const abroad = gateway.wallets!.link({ phone: '6591234567', returnUrl: RETURN });
    expect(await failureOf(abroad)).toMatchObject({ code: 'refused' });
    expect(midtrans.requests).toEqual([]);
  });

  test.each(['silent-before', 'html', 'html-ok', 'redirect', 'null', 'busy'] as const)(
    'nobody knows, when Midtrans answers with %s',
    async (fault) => {
      const { midtrans, wallets, link } = await linked(IMPATIENT);
      midtrans.fault(fault);
      expect(await failureOf(wallets.stateOf(link.token))).toBeInstanceOf(Unavailable);
      expect(await failureOf(wallets.unlink(link.token))).toBeInstanceOf(Unavailable);
    },
  );
});

test.each([
  ['nothing', 200, {}],
  ['another account', 200, { status_code: '204', account_id: 'another', account_status: 'DISABLED' }],
  ['a 404 of a proxy', 404, { error: 'no such route' }],
])('%s for an answer does not end what is linked', async (_what, status, body) => {
  const { midtrans, wallets, link } = await linked();
  midtrans.answerAll(json(status, body));
  expect(await failureOf(wallets.stateOf(link.token))).toBeInstanceOf(Unavailable);
  midtrans.answerAll(json(404, { status_code: '404', status_message: 'Account does not exist.' }));
  expect(await wallets.stateOf(link.token)).toBe('ended');
});

describe('a linked GoPay', () => {
  test('is charged without the PIN, by a token that is asked anew, once for each order', async () => {
    const { midtrans, gateway, link } = await linked();
    const charge = () => gateway.charge({ ...request('INV-4'), token: link.token });
    await charge();
    midtrans.forgetKeys();
    await charge();
    const [sent] = midtrans.requests.filter(({ path }) => path === '/v2/charge');
    expect(JSON.parse(sent!.body)).toMatchObject({
      payment_type: 'gopay',
      transaction_details: { order_id: 'INV-4', gross_amount: 150_000 },
      gopay: { account_id: midtrans.gopay.account().id, recurring: true },
    });
    expect(sent!.headers['idempotency-key']).toMatch(/^[0-9a-f]{36}$/);
    expect(await gateway.truthOf(at('INV-4'))).toMatchObject({ state: 'paid', amountRupiah: 150_000, method: 'gopay' });
    expect(midtrans.gopay.account().balance).toBe(850_000);
  });

  test('whose answer was lost is charged once', async () => {
    const { midtrans, gateway, link } = await linked(IMPATIENT);
    const charge = () => gateway.charge({ ...request('INV-4'), token: link.token });
    midtrans.fault(({ path }) => (path === '/v2/charge' ? 'silent-after' : null));
    expect(await failureOf(charge())).toBeInstanceOf(Unavailable);
    midtrans.fault(null);
    midtrans.forgetKeys();
    await charge();
    expect(midtrans.gopay.account().balance).toBe(850_000);
  });

  test('without enough money is denied, which the truth says', async () => {
    const { midtrans, gateway, link } = await linked();
    midtrans.gopay.account().balance = 149_999;
    await gateway.charge({ ...request('INV-4'), token: link.token });
    expect((await gateway.truthOf(at('INV-4'))).state).toBe('denied');
  });

  test('of a company that may not charge without the PIN is pending, never paid', async () => {
    const { midtrans, gateway, link } = await linked();
    midtrans.gopay.mayRecur = false;
    await gateway.charge({ ...request('INV-4'), token: link.token });
    expect((await gateway.truthOf(at('INV-4'))).state).toBe('pending');
  });

  test.each(['DISABLED', 'EXPIRED', 'PENDING'] as const)(
    'that is %s at GoPay is refused and not charged',
    async (status) => {
      const { midtrans, gateway, link } = await linked();
      midtrans.gopay.become(status);
      const error = await failureOf(gateway.charge({ ...request('INV-4'), token: link.token }));
      expect(error).toMatchObject({ code: 'refused' });
      expect((await gateway.truthOf(at('INV-4'))).state).toBe('unknown');
      expect(midtrans.requests.some(({ path }) => path === '/v2/charge')).toBe(false);
    },
  );

  test('is unlinked at GoPay, also a second time', async () => {
    const { midtrans, wallets, link } = await linked();
    await wallets.unlink(link.token);
    expect(midtrans.gopay.account().status).toBe('DISABLED');
    await wallets.unlink(link.token);
    midtrans.gopay.become('EXPIRED');
    await wallets.unlink(link.token);
  });

  test('that Midtrans does not unlink is not taken for unlinked', async () => {
    const { midtrans, wallets, link } = await linked();
    midtrans.fault(({ path }) => (path.endsWith('/unbind') ? 'echo' : null));
    expect(await failureOf(wallets.unlink(link.token))).toMatchObject({ code: 'refused' });
  });
});

test('what Midtrans tells of an account is about no order, and no payment', async () => {
  const { midtrans, gateway, say } = await opened();
  const told = await receiver();
  midtrans.notificationUrl = told.url;
  await say('yes');
  await expect.poll(() => told.events.length).toBe(1);
  const [{ headers, raw }] = told.events as [(typeof told.events)[0]];
  expect(gateway.readEvent(headers, raw)).toEqual({ verified: false, orderId: null, status: null, saved: null });
});

test('a number of an account that would be another path is not asked for', async () => {
  const { midtrans, gateway } = await midtransPair();
  expect(await failureOf(gateway.wallets!.stateOf('gopay:..'))).toMatchObject({ code: 'refused' });
  expect(midtrans.requests).toEqual([]);
});
