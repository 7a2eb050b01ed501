import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant } from '#domain/time';
import { verifyLedger } from '#storage/ledger';
import { NOW } from '#test/operations/desk';
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

describe('auto-pay from the balance', () => {
  test('the package is renewed through the ledger, without a gateway', async () => {
    const { id } = await club.member({ card: null });
    await club.topUp(id, 100_000);
    await club.choose(id, null);
    await at(END - 2 * DAY);
    expect(await at(END - DAY)).toMatchObject({ paid: 1 });
    expect(await club.credit(id)).toBe(25_000);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
    expect((await club.told(id)).at(-1)!.text).toContain('sudah dibayar dari saldo Anda');
    expect(club.till.calls).toMatchObject({ charge: 0, create: 0 });
    expect(await verifyLedger(club.desk.db)).toEqual([]);
  });

  test('that is not enough is said, and is enough after a top-up', async () => {
    const { id } = await club.member({ card: null });
    await club.topUp(id, 50_000);
    await club.choose(id, null);
    await at(END - 2 * DAY);
    expect(await at(END - DAY)).toMatchObject({ failed: 1 });
    expect((await club.told(id)).at(-1)!.text).toContain('saldo Anda belum cukup.');
    await club.topUp(id, 25_000);
    expect(await at(END - 18 * HOUR)).toMatchObject({ paid: 1 });
    expect(await club.credit(id)).toBe(0);
    expect(await club.invoices(id)).toHaveLength(2);
  });

  test('with a card chosen, what is in the balance is used first', async () => {
    const { id, methodId } = await club.member();
    await club.topUp(id, 30_000);
    await club.choose(id, methodId);
    await at(END - 2 * DAY);
    expect(await at(END - DAY)).toMatchObject({ paid: 1 });
    expect([...club.till.charged.values()]).toMatchObject([{ amountRupiah: 45_000 }]);
    expect(await club.credit(id)).toBe(0);
    expect(await club.coverEnd(id)).toBe(END + 30 * DAY);
  });
});
