import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { askGateway } from '#operations/ask-gateway';
import { autoPayNow, removeSavedMethod, stopAutoPay } from '#operations/auto-pay';
import { queueReminders } from '#operations/queue-reminders';
import { startPayment } from '#operations/start-payment';
import { autoPayOf } from '#storage/auto-pay';
import { verifyLedger } from '#storage/ledger';
import { plansOnSale } from '#storage/plans';
import { methodsOf } from '#storage/saved-methods';
import { faults, NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import { type Club, openClub } from '#test/recurring/club';

let club: Club;
beforeEach(async () => {
  club = await openClub();
});

/** Bought at NOW for 30 days. */
const END = NOW + 30 * DAY;
const at = async (instant: Instant) => {
  club.desk.setClock(instant);
  return club.run();
};
const notices = async (id: number) =>
  (await club.told(id)).map(({ notice }) => notice).filter((notice) => notice.startsWith('auto-pay'));
const paidInvoices = async (id: number) => (await club.invoices(id)).filter(({ settledAt }) => settledAt !== null);

/** Somebody who chose their card, told of the charge to come by now: a day before the end. */
async function told(more: Parameters<Club['member']>[0] = {}) {
  const member = await club.member(more);
  await club.choose(member.id, member.methodId);
  await at(END - 2 * DAY);
  return member;
}

describe('a prepaid package with auto-pay from a card', () => {
  test('is told of two days before its end, charged one day before, and goes on without a gap', async () => {
    const { id, methodId } = await club.member();
    await club.choose(id, methodId);
    expect(await at(END - 2 * DAY - MINUTE)).toEqual({ told: 0, paid: 0, failed: 0, inDoubt: 0 });
    expect(await at(END - 2 * DAY)).toMatchObject({ told: 1, paid: 0 });
    expect(await at(END - DAY - MINUTE)).toMatchObject({ told: 0, paid: 0 });
    expect(await at(END - DAY)).toMatchObject({ paid: 1 });
    expect(await at(END - DAY + 2 * HOUR)).toEqual({ told: 0, paid: 0, failed: 0, inDoubt: 0 });
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect([...club.till.charged.values()]).toEqual([{ amountRupiah: PRICE, token: 'tok-1' }]);
    expect(await paidInvoices(id)).toHaveLength(2);
    expect(await club.credit(id)).toBe(0);
    expect(await notices(id)).toEqual(['auto-pay-soon', 'auto-pay-done']);
    const [soon, done] = (await club.told(id)).filter(({ notice }) => notice.startsWith('auto-pay'));
    expect(soon!.text).toContain(
      'Rp 75.000 untuk paket prepaid-20mbps akan ditagih dari VISA •••• 1111 pada 20 Des 2026 09.00 WIB',
    );
    expect(soon!.text).toContain('https://portal.test/customer/autopay');
    expect(done!.text).toContain('Rp 75.000 untuk paket prepaid-20mbps sudah dibayar dari VISA •••• 1111');
    expect(await verifyLedger(club.desk.db)).toEqual([]);
  });

  test('is not told of its payment twice, nor of its end as others are, as long as auto-pay tries', async () => {
    const { id } = await told();
    club.till.script = ['pending'];
    const reminded = async (instant: Instant) => {
      await at(instant);
      await queueReminders(club.desk);
      return (await club.told(id)).map(({ notice }) => notice);
    };
    expect(await reminded(END - DAY)).toEqual(['payment-received', 'activated', 'auto-pay-soon']);
    club.till.come((await club.state(id)).orderId!);
    expect((await reminded(END - 20 * HOUR)).slice(3)).toEqual(['activated', 'auto-pay-done']);
    const other = await club.member({ card: null });
    await club.choose(other.id, null);
    const end = await club.coverEnd(other.id);
    for (const hours of [48, 24, 18, 6]) await at(end - hours * HOUR);
    expect((await club.state(other.id)).pausedAt).not.toBeNull();
    await queueReminders(club.desk);
    expect((await club.told(other.id)).at(-1)!.notice).toBe('ending-soon');
  });

  test('chosen late, is charged twelve hours later, or an hour before the end', async () => {
    const { id, methodId } = await club.member();
    club.desk.setClock(END - 20 * HOUR);
    await club.choose(id, methodId);
    expect(await club.run()).toMatchObject({ told: 1, paid: 0 });
    expect(await at(END - 8 * HOUR - MINUTE)).toMatchObject({ paid: 0 });
    expect(await at(END - 8 * HOUR)).toMatchObject({ paid: 1 });
    const late = await club.member();
    const end = await club.coverEnd(late.id);
    club.desk.setClock(end - 3 * HOUR);
    await club.choose(late.id, late.methodId);
    expect(await club.run()).toMatchObject({ paid: 0 });
    expect(await at(end - HOUR)).toMatchObject({ paid: 1 });
    expect(await club.coverEnd(late.id)).toBe(end + 30 * DAY);
  });

  test('of a day is charged half a day before its end, again and again', async () => {
    await addPlan(club.desk, { name: 'day', down: '5M', up: '5M', period: 'day', price: '5000' });
    const day = (await plansOnSale(club.desk.db, ['day'])).get('day')!;
    Object.assign(club.plans, { day: day.revisionId });
    const { id, methodId } = await club.member({ plan: 'day' });
    await club.choose(id, methodId);
    for (let hour = 0; hour < 5 * 24; hour += 1) {
      await at(NOW + hour * HOUR);
      const end = await club.coverEnd(id);
      expect(end).toBeGreaterThan(club.desk.clock());
      expect(end).toBeLessThan(club.desk.clock() + 37 * HOUR);
    }
    expect(club.till.charged.size).toBe(5);
  });

  test('goes on with another package when that is what was chosen', async () => {
    const { id, methodId } = await club.member();
    const [unlimited] = await club.desk.db.query<{ id: number }>(`select id from plan where name = 'unlimited'`);
    await club.choose(id, methodId, unlimited!.id);
    await at(END - 2 * DAY);
    await at(END - DAY);
    expect([...club.till.charged.values()]).toMatchObject([{ amountRupiah: 200_000 }]);
    expect(await club.coverEnd(id)).toBe(Date.parse('2027-01-21T02:00:00Z'));
  });

  test('costs more than was told: it is told again, and charged half a day later', async () => {
    const { id } = await told();
    await addPlan(club.desk, {
      name: 'prepaid-20mbps',
      down: '20M',
      up: '20M',
      quota: '20GB',
      period: '30d',
      price: '90000',
    });
    expect(await at(END - DAY)).toMatchObject({ told: 1, paid: 0 });
    expect(await at(END - 12 * HOUR)).toMatchObject({ paid: 1 });
    expect([...club.till.charged.values()]).toMatchObject([{ amountRupiah: 90_000 }]);
    expect(await notices(id)).toEqual(['auto-pay-soon', 'auto-pay-soon', 'auto-pay-done']);
  });
});

describe('when a charge does not come through', () => {
  test('it is tried again after 6 and 12 hours; each time the customer is told what to do', async () => {
    const { id } = await told();
    club.till.script = ['denied', 'refused', 'paid'];
    expect(await at(END - 24 * HOUR)).toMatchObject({ failed: 1 });
    expect(await at(END - 18 * HOUR - MINUTE)).toMatchObject({ failed: 0, paid: 0 });
    expect(await at(END - 18 * HOUR)).toMatchObject({ failed: 1 });
    expect(await at(END - 6 * HOUR - MINUTE)).toMatchObject({ failed: 0, paid: 0 });
    expect(await at(END - 6 * HOUR)).toMatchObject({ paid: 1 });
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect(await notices(id)).toEqual(['auto-pay-soon', 'auto-pay-failed', 'auto-pay-failed', 'auto-pay-done']);
    const [, first, second] = (await club.told(id)).filter(({ notice }) => notice.startsWith('auto-pay'));
    expect(first!.text).toContain('bank atau dompet digital Anda menolaknya.');
    expect(first!.text).toContain('Kami coba lagi 20 Des 2026 15.00 WIB.');
    expect(second!.text).toContain('penyedia pembayaran tidak menerimanya.');
    expect(club.till.charged.size).toBe(1);
    expect(await club.invoices(id)).toHaveLength(2);
  });

  test('after the last try it pauses and says so; nothing more is charged until the customer switches it on', async () => {
    const { id, methodId } = await told();
    club.till.script = ['denied', 'denied', 'denied'];
    for (const hours of [24, 18, 6]) await at(END - hours * HOUR);
    expect(await club.state(id)).toMatchObject({ pausedAt: END - 6 * HOUR, failures: 3, lastError: 'declined' });
    const last = (await club.told(id)).at(-1)!;
    expect(last.text).toContain('tidak ada yang ditagih lagi sampai Anda mengaktifkannya');
    for (let hours = 5; hours > -60; hours -= 1) await at(END - hours * HOUR);
    expect(club.till.calls.charge).toBe(3);
    expect(await club.coverEnd(id)).toBe(END);
    await club.choose(id, methodId);
    expect(await club.run()).toMatchObject({ paid: 1 });
    expect(await club.coverEnd(id)).toBe(club.desk.clock() + 30 * DAY);
  });

  test.each([
    ['away', 'it never got there'],
    ['lost', 'it is paid and the answer is lost'],
    ['silent', 'it is paid and the gateway falls silent'],
  ] as const)('%s (%s): it is charged once', async (outcome, _why) => {
    const { id } = await told();
    club.till.script = [outcome];
    await at(END - DAY);
    await at(END - DAY + 3 * MINUTE);
    club.till.trouble.down = false;
    for (let minutes = 4; minutes < 300; minutes += 10) await at(END - DAY + minutes * MINUTE);
    expect(club.till.charged.size).toBe(1);
    expect(await paidInvoices(id)).toHaveLength(2);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect(await notices(id)).toEqual(['auto-pay-soon', 'auto-pay-done']);
    expect(await club.credit(id)).toBe(0);
  });

  test('pending, it is asked about until it is known; whoever learns of it first, it counts once', async () => {
    const { id } = await told();
    club.till.script = ['pending'];
    expect(await at(END - DAY)).toMatchObject({ inDoubt: 1 });
    expect(await at(END - DAY + 10 * MINUTE)).toMatchObject({ inDoubt: 1 });
    const { orderId } = await club.state(id);
    club.till.come(orderId!);
    expect(await askGateway(club.desk, club.gateways, orderId!)).toBe('settled');
    expect(await at(END - DAY + 90 * MINUTE)).toMatchObject({ paid: 1 });
    expect(await club.state(id)).toMatchObject({ orderId: null, invoiceId: null, failures: 0 });
    expect(await notices(id)).toEqual(['auto-pay-soon', 'auto-pay-done']);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
  });

  test('while it is pending nobody gets a link to pay it by as well', async () => {
    const { id } = await told();
    club.till.script = ['pending'];
    await at(END - DAY);
    const open = (await club.invoices(id)).at(-1)!;
    const link = startPayment(
      club.self(id),
      club.gateways,
      { subscriberId: id, invoice: open.publicId },
      { returnUrl: '' },
    );
    await expect(link).rejects.toThrow('auto-pay is charging this invoice');
  });

  test('one whose card is gone or has expired, or whose package is no longer sold, pauses at once', async () => {
    const expired = await club.member({ card: null });
    const card = await club.card(expired.id, { expiresAt: END - 3 * DAY });
    await club.choose(expired.id, card);
    const unsold = await club.member({ plan: 'unlimited' });
    await club.choose(unsold.id, unsold.methodId);
    await club.desk.db.execute(`update plan set retired_at = now() where name = 'unlimited'`);
    for (let day = 27; day <= 32; day += 0.5) await at(NOW + day * DAY);
    expect(await club.state(expired.id)).toMatchObject({ lastError: 'method-expired', failures: 1 });
    expect(await club.state(unsold.id)).toMatchObject({ lastError: 'plan-gone', failures: 1 });
    expect((await club.state(expired.id)).pausedAt).not.toBeNull();
    expect(club.till.calls.charge).toBe(0);
  });
});

describe('what the customer does meanwhile', () => {
  test('a package bought by hand is not bought a second time', async () => {
    const { id } = await told();
    club.till.script = ['denied'];
    await at(END - DAY);
    await club.cash((await club.order(id)).number);
    for (let hours = 23; hours > -48; hours -= 1) await at(END - hours * HOUR);
    expect(club.till.charged.size).toBe(0);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect(
      (await club.invoices(id)).filter(({ settledAt, voidedAt }) => settledAt === null && voidedAt === null),
    ).toEqual([]);
  });

  test('a package given by staff makes the order that was placed for it void', async () => {
    const { id } = await told();
    club.till.script = ['denied'];
    await at(END - DAY);
    const [who] = await club.desk.db.query<{ username: string }>('select username from subscriber where id = $1', [id]);
    await addGrant(club.desk, { username: who!.username, plan: 'prepaid-20mbps' });
    await at(END - 18 * HOUR);
    expect((await club.invoices(id)).at(-1)!.voidedAt).toBe(club.desk.clock());
    expect(await club.state(id)).toMatchObject({ invoiceId: null, failures: 0, lastError: null });
    expect(club.till.calls.charge).toBe(1);
  });

  test('an order of their own that waits for its money is given way to, until two hours before the end', async () => {
    const { id } = await told();
    club.desk.setClock(END - 25 * HOUR);
    const own = await club.order(id, 'unlimited');
    for (let hours = 24; hours > 2; hours -= 1) expect(await at(END - hours * HOUR)).toMatchObject({ paid: 0 });
    expect((await club.shown(own.number)).cancelledAt).toBeNull();
    expect(await at(END - 2 * HOUR)).toMatchObject({ paid: 1 });
    expect((await club.shown(own.number)).state).toBe('cancelled');
  });

  test('a link that they asked for is closed before their card is charged', async () => {
    const { id } = await told();
    club.till.script = ['denied'];
    await at(END - DAY);
    const open = (await club.invoices(id)).at(-1)!;
    const payable = { subscriberId: id, invoice: open.publicId };
    const { orderId } = await startPayment(club.self(id), club.gateways, payable, { returnUrl: 'https://x.test' });
    expect(await at(END - 18 * HOUR)).toMatchObject({ paid: 1 });
    expect(club.till.orders.get(orderId)!.closed).toBe(true);
    expect(club.till.charged.size).toBe(1);
  });

  test('a link that they paid by is not charged again', async () => {
    const { id } = await told();
    club.till.script = ['denied'];
    await at(END - DAY);
    const open = (await club.invoices(id)).at(-1)!;
    const payable = { subscriberId: id, invoice: open.publicId };
    const { orderId } = await startPayment(club.self(id), club.gateways, payable, { returnUrl: 'https://x.test' });
    club.till.pay(orderId, club.desk.clock());
    for (let hours = 18; hours > 0; hours -= 1) await at(END - hours * HOUR);
    expect(club.till.charged.size).toBe(0);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect(await paidInvoices(id)).toHaveLength(2);
  });

  test('one tap stops it: nothing is charged, and the order that was placed for it is cancelled', async () => {
    const { id } = await told();
    club.till.script = ['denied'];
    await at(END - DAY);
    expect(await stopAutoPay(club.self(id), id)).toBe(true);
    expect(await stopAutoPay(club.self(id), id)).toBe(false);
    for (let hours = 23; hours > -24; hours -= 1) await at(END - hours * HOUR);
    expect(club.till.calls.charge).toBe(1);
    expect((await club.invoices(id)).at(-1)!.voidedAt).not.toBeNull();
    expect(await autoPayOf(club.desk.db, id)).toBeNull();
  });

  test('stopped and begun again while a charge is pending, it goes on with that charge', async () => {
    const { id, methodId } = await told();
    club.till.script = ['pending'];
    await at(END - DAY);
    const { orderId } = await club.state(id);
    await stopAutoPay(club.self(id), id);
    await club.choose(id, methodId);
    await at(END - 20 * HOUR);
    await at(END - 8 * HOUR);
    expect(club.till.calls.charge).toBe(1);
    club.till.come(orderId!);
    for (let hours = 7; hours > -2; hours -= 1) await at(END - hours * HOUR);
    expect(club.till.charged.size).toBe(1);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
  });

  test('a card that is removed is charged no more, and is gone from here', async () => {
    const { id, methodId } = await told();
    await removeSavedMethod(club.self(id), id, methodId!);
    expect(await methodsOf(club.desk.db, id)).toEqual([]);
    expect(await club.desk.db.query('select id from saved_method where length(token_sealed) > 0')).toEqual([]);
    await at(END - DAY);
    expect(club.till.calls.charge).toBe(0);
    expect((await faults(removeSavedMethod(club.self(id), id, methodId!))).join()).toContain('not saved any more');
  });

  test('nobody chooses, stops or removes for somebody else', async () => {
    const { id, methodId } = await club.member();
    const other = await club.member();
    expect(await faults(club.choose(id, other.methodId))).toHaveLength(1);
    await club.choose(id, methodId);
    await expect(stopAutoPay(club.self(other.id), id)).rejects.toThrow();
    expect(await faults(removeSavedMethod(club.self(other.id), other.id, methodId!))).toHaveLength(1);
    expect(await methodsOf(club.desk.db, id)).toHaveLength(1);
  });

  test('switched on after the package ended, it begins with the next one that is bought', async () => {
    const { id, methodId } = await club.member();
    club.desk.setClock(END + DAY);
    await club.choose(id, methodId);
    for (let hours = 0; hours < 30; hours += 1) await at(END + DAY + hours * HOUR);
    expect(club.till.calls.charge).toBe(0);
    await club.cash((await club.order(id)).number);
    const end = await club.coverEnd(id);
    for (const hours of [48, 24]) await at(end - hours * HOUR);
    expect(club.till.calls.charge).toBe(1);
  });

  test('a line that is suspended is not charged', async () => {
    const { id } = await told();
    await club.desk.db.execute('update subscriber set suspended_at = now() where id = $1', [id]);
    for (let hours = 24; hours > -30; hours -= 1) await at(END - hours * HOUR);
    expect(club.till.calls.charge).toBe(0);
  });
});

test('the page knows what comes next, and the same when it is run', async () => {
  const { id, methodId } = await club.member();
  expect(await autoPayNow(club.desk, id)).toMatchObject({ state: null, next: { amountRupiah: PRICE, at: END - DAY } });
  await club.choose(id, methodId);
  const { next } = await autoPayNow(club.desk, id);
  expect(next).toMatchObject({ what: { plan: 'prepaid-20mbps' }, tellAt: END - 2 * DAY, at: END - DAY, until: END });
  await at(END - 2 * DAY);
  expect((await autoPayNow(club.desk, id)).next!.at).toBe(END - DAY);
  club.till.script = ['denied'];
  await at(END - DAY);
  expect((await autoPayNow(club.desk, id)).next!.at).toBe(END - 18 * HOUR);
});
