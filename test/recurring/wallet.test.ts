import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayRefusal } from '#domain/gateway';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { removeSavedMethod } from '#operations/auto-pay';
import { beginWallet, lookAtWallets } from '#operations/wallet';
import { methodsOf, methodWithToken } from '#storage/saved-methods';
import { newestWalletLink, walletAccountOf } from '#storage/wallet-links';
import { faults, NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import type { MemoryWallets } from '#test/payments/memory-gateway';
import { type Club, openClub } from '#test/recurring/club';

const PHONE = '0812-3456-5678';
const TOKEN = 'gopay:6281234565678';

let club: Club;
let wallets: MemoryWallets;
let id: number;
beforeEach(async () => {
  club = await openClub();
  wallets = club.till.wallets!;
  ({ id } = await club.member({ card: null }));
});

const begin = (subscriberId = id, phone = PHONE) =>
  beginWallet(club.self(subscriberId), club.gateways, {
    subscriberId,
    gateway: 'midtrans',
    phone,
    returnUrl: 'https://portal.test/back',
  });
const look = (whose?: { subscriberId: number }) =>
  lookAtWallets({ ...club.desk, actor: 'system' }, club.gateways, whose);
const lookAt = (instant: Instant) => {
  club.desk.setClock(instant);
  return look();
};
const state = async (subscriberId = id) => (await newestWalletLink(club.desk.db, subscriberId))?.state;
const agree = (token = TOKEN) => wallets.states.set(token, 'linked');
const labels = async (subscriberId = id) => (await methodsOf(club.desk.db, subscriberId)).map(({ label }) => label);
const sealed = () => club.desk.db.query('select id from wallet_link where length(account_sealed) > 0');
const acts = async () =>
  (
    await club.desk.db.query<{ why: string }>(
      `select why from audit where subscriber_id = $1 and why like '%wallet%' order by id`,
      [id],
    )
  ).map(({ why }) => why);

/** A GoPay that is linked and kept; returns its number. */
async function linked(): Promise<number> {
  await begin();
  agree();
  await look({ subscriberId: id });
  return (await methodsOf(club.desk.db, id))[0]!.id;
}

describe('a wallet that the customer links', () => {
  test('is kept once they said yes, sealed, and once', async () => {
    expect((await begin()).url).toBe('https://gopay.test/6281234565678?to=https://portal.test/back');
    expect(await look({ subscriberId: id })).toEqual({ linked: 0, ended: 0 });
    expect(await labels()).toEqual([]);
    agree();
    const both = await Promise.all([look({ subscriberId: id }), look({ subscriberId: id })]);
    expect(both.reduce((sum, one) => sum + one.linked, 0)).toBe(1);
    expect(await methodsOf(club.desk.db, id)).toMatchObject([{ kind: 'e-wallet', label: 'GoPay •••• 5678' }]);
    const [method] = await methodsOf(club.desk.db, id);
    expect(await methodWithToken(club.desk.db, club.desk.sealer, id, method!.id)).toMatchObject({ token: TOKEN });
    const [row] = await club.desk.db.query<{ sealed: Buffer }>('select account_sealed as sealed from wallet_link');
    expect(row!.sealed.includes('gopay')).toBe(false);
    expect(await acts()).toEqual(['begin linking e-wallet', 'link e-wallet']);
  });

  test('is learned of by the job when the customer never comes back', async () => {
    await begin();
    agree();
    expect(await lookAt(NOW + MINUTE)).toEqual({ linked: 0, ended: 0 });
    expect(await lookAt(NOW + 2 * MINUTE)).toEqual({ linked: 1, ended: 0 });
    expect(await labels()).toEqual(['GoPay •••• 5678']);
  });

  test('is asked about again and again for a day, not more often than it is worth', async () => {
    await begin();
    for (let minutes = 0; minutes < 26 * 60; minutes += 5) await lookAt(NOW + minutes * MINUTE);
    expect(wallets.calls.state).toBeGreaterThan(24);
    expect(wallets.calls.state).toBeLessThan(40);
    expect(await state()).toBe('ended');
    expect(wallets.states.get(TOKEN)).toBe('ended');
    expect(await sealed()).toEqual([]);
  });

  test('is not linked when they say no', async () => {
    await begin();
    wallets.states.set(TOKEN, 'ended');
    expect(await look({ subscriberId: id })).toEqual({ linked: 0, ended: 1 });
    expect(await labels()).toEqual([]);
    expect(await sealed()).toEqual([]);
    expect(await acts()).toEqual(['begin linking e-wallet', 'e-wallet not linked']);
  });

  test('waits while the gateway is away', async () => {
    await begin();
    agree();
    club.till.trouble.down = true;
    expect(await look({ subscriberId: id })).toEqual({ linked: 0, ended: 0 });
    club.till.trouble.down = false;
    expect(await lookAt(NOW + HOUR)).toEqual({ linked: 1, ended: 0 });
  });

  test('and whose linking was begun by somebody who died leaves nothing behind', async () => {
    const { db } = club.desk;
    const at = new Date(NOW);
    await db.execute(
      `insert into wallet_link (subscriber_id, gateway, created_at, next_look_at, created_by) values ($1, 'midtrans', $2, $2, 'x')`,
      [id, at],
    );
    expect(await lookAt(NOW + MINUTE)).toEqual({ linked: 0, ended: 0 });
    expect(await lookAt(NOW + 3 * MINUTE)).toEqual({ linked: 0, ended: 1 });
    expect(wallets.calls.state).toBe(0);
  });

  test('begun anew, one with another number takes its place; a late yes to the first is undone', async () => {
    await begin();
    await begin(id, '0857 1111 2222');
    const other = 'gopay:6285711112222';
    agree(other);
    agree();
    expect(await look({ subscriberId: id })).toEqual({ linked: 1, ended: 1 });
    expect(await labels()).toEqual(['GoPay •••• 2222']);
    expect(wallets.states.get(TOKEN)).toBe('ended');
  });

  test('begun anew with the same number it is one', async () => {
    await begin();
    await begin();
    agree();
    await look({ subscriberId: id });
    for (const hours of [1, 2]) await lookAt(NOW + hours * HOUR);
    expect(await labels()).toEqual(['GoPay •••• 5678']);
    expect(wallets.states.get(TOKEN)).toBe('linked');
  });

  test('cannot be kept by somebody who only typed its number', async () => {
    const thief = await club.member({ card: null });
    await begin();
    expect((await faults(begin(thief.id))).join()).toContain('linked for another line');
    agree();
    await look({ subscriberId: id });
    await expect(begin(thief.id)).rejects.toThrow(GatewayRefusal);
    await lookAt(NOW + DAY);
    expect(await labels(thief.id)).toEqual([]);
    expect(await labels()).toEqual(['GoPay •••• 5678']);
  });

  test('is refused for a number that is none, for somebody else, and when it is tried too often', async () => {
    for (const phone of ['', 'abc', '+65 9123 4567', '021 555 1234'])
      expect(await faults(begin(id, phone))).toHaveLength(1);
    const other = await club.member();
    const input = { subscriberId: other.id, gateway: 'midtrans', phone: PHONE, returnUrl: '' };
    expect(await faults(beginWallet(club.self(id), club.gateways, input))).toHaveLength(1);
    expect(wallets.calls.link).toBe(0);
    wallets.refuses = true;
    for (let time = 0; time < 5; time += 1) await expect(begin()).rejects.toThrow(GatewayRefusal);
    expect((await faults(begin())).join()).toContain('tried too often');
    expect(wallets.calls.link).toBe(5);
    club.desk.setClock(NOW + HOUR);
    wallets.refuses = false;
    await begin();
  });
});

describe('auto-pay from a linked wallet', () => {
  const END = NOW + 30 * DAY;
  const at = async (instant: Instant) => {
    club.desk.setClock(instant);
    return club.run();
  };
  const notices = async () => (await club.told(id)).filter(({ notice }) => notice.startsWith('auto-pay'));

  test('charges each period once', async () => {
    await club.choose(id, await linked());
    for (let hours = 49; hours > -3; hours -= 1) await at(END - hours * HOUR);
    expect([...club.till.charged.values()]).toEqual([{ amountRupiah: PRICE, token: TOKEN }]);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect((await notices()).map(({ notice }) => notice)).toEqual(['auto-pay-soon', 'auto-pay-done']);
    expect((await notices())[0]!.text).toContain('dari GoPay •••• 5678');
  });

  test('says so when it was unlinked at the wallet, and charges nothing', async () => {
    await club.choose(id, await linked());
    wallets.states.set(TOKEN, 'ended');
    await at(END - 2 * DAY);
    expect(await at(END - DAY)).toMatchObject({ failed: 1 });
    expect((await notices()).at(-1)!.text).toContain('penyedia pembayaran tidak menerimanya.');
    expect(await club.state(id)).toMatchObject({ lastError: 'refused', orderId: null });
    expect(club.till.charged.size).toBe(0);
  });

  test('ends when it is removed: charged no more from then on, unlinked as soon as the gateway is there', async () => {
    const methodId = await linked();
    await club.choose(id, methodId);
    await at(END - 2 * DAY);
    await removeSavedMethod(club.self(id), id, methodId);
    club.till.trouble.down = true;
    await look({ subscriberId: id });
    expect(wallets.states.get(TOKEN)).toBe('linked');
    expect(await state()).toBe('unlinking');
    club.till.trouble.down = false;
    expect(await lookAt(END - DAY)).toEqual({ linked: 0, ended: 1 });
    expect(wallets.states.get(TOKEN)).toBe('ended');
    await at(END - DAY + HOUR);
    expect(club.till.calls.charge).toBe(0);
    expect(await sealed()).toEqual([]);
    expect(wallets.calls.unlink).toBe(2);
    await lookAt(END);
    expect(wallets.calls.unlink).toBe(2);
  });

  test('a wallet that was removed can be linked anew', async () => {
    await removeSavedMethod(club.self(id), id, await linked());
    await look({ subscriberId: id });
    await linked();
    expect(await labels()).toEqual(['GoPay •••• 5678']);
    const { id: link } = (await newestWalletLink(club.desk.db, id))!;
    expect(await walletAccountOf(club.desk.db, club.desk.sealer, link)).toMatchObject({ token: TOKEN });
  });
});
