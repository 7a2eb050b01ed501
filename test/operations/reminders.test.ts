import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { afterQuietHours, queueReminders } from '#operations/queue-reminders';
import { saveSettings } from '#operations/settings';
import { openDatabase } from '#storage/database';
import { openBody } from '#storage/messages';
import { NOW, type TestDesk, testDesk } from '#test/operations/desk';
import { Shop } from '#test/storage/shop';

let desk: TestDesk;
let shop: Shop;
let p20: number;
beforeEach(async () => {
  desk = await testDesk();
  shop = new Shop(desk.db);
  p20 = await shop.plan('20GB - 20Mbps', 20 * 2 ** 30);
});

/** A customer with grants as [from, until] in hours from now, and so much used of the first. */
async function customer(
  name: string,
  spans: readonly (readonly [number, number])[],
  over: Parameters<Shop['subscriber']>[1] & { used?: number } = {},
): Promise<{ id: number; grants: number[] }> {
  const { used = 0, ...fields } = over;
  const id = await shop.subscriber(name, { name: `Pak ${name}`, phone: '081234567890', ...fields });
  const grants: number[] = [];
  for (const [from, until] of spans) {
    const options = grants.length === 0 ? { used } : {};
    grants.push(await shop.grant(id, p20, NOW + from * HOUR, NOW + until * HOUR, options));
  }
  return { id, grants };
}

const GB = 2 ** 30;
const run = () => queueReminders(desk);

/** The once keys of what waits, in the order in which it was queued. */
const queued = async () =>
  (
    await desk.db.query<{ key: string }>('select once_key as key from message where cancelled_at is null order by id')
  ).map(({ key }) => key);

async function texts(): Promise<string[]> {
  const rows = await desk.db.query<{ id: number; body: Buffer }>(
    'select id, body_sealed as body from message order by id',
  );
  return rows.map(({ id, body }) => openBody(desk.sealer, id, body).text);
}

describe('a package that ends', () => {
  test('is said one day before, and when it has ended, each once', async () => {
    const { grants } = await customer('budi', [[-100, 30]]);
    expect(await run()).toEqual({ endingSoon: 0, ended: 0, quota: 0, outdated: 0 });
    desk.setClock(NOW + 6 * HOUR);
    expect(await run()).toMatchObject({ endingSoon: 1 });
    expect(await run()).toMatchObject({ endingSoon: 0 });
    desk.setClock(NOW + 30 * HOUR);
    expect(await run()).toMatchObject({ ended: 1 });
    desk.setClock(NOW + 31 * HOUR);
    expect(await run()).toMatchObject({ ended: 0 });
    expect(await queued()).toEqual([`ending-soon:${grants[0]}`, `ended:${grants[0]}`]);
    const [soon, over] = await texts();
    expect(soon).toContain('Halo Pak budi');
    expect(soon).toContain('Paket internet Anda 20GB - 20Mbps akan berakhir pada 22 Nov 2026 15.00 WIB.');
    expect(soon).toContain(`${desk.publicUrl}/prepaid/portal`);
    expect(over).toContain('telah berakhir pada 22 Nov 2026 15.00 WIB');
  });

  test('is said in the subscriber’s language, and by user name where there is no name', async () => {
    await customer('siti', [[-100, 10]], { language: 'en', name: '' });
    await run();
    expect((await texts())[0]).toMatch(
      /^Hello siti,\n\nYour internet package 20GB - 20Mbps ends on 21 Nov 2026 19\.00 WIB/,
    );
  });

  test('is said as many hours before as the settings ask for', async () => {
    await saveSettings(desk, 'reminders', { endingSoonHours: 48 });
    await customer('budi', [[-100, 40]]);
    expect(await run()).toMatchObject({ endingSoon: 1 });
  });

  test('is not said when another one follows without a gap, of whatever plan', async () => {
    const p50 = await shop.plan('P50', null, 50);
    const one = await customer('budi', [[-100, 3]]);
    await shop.grant(one.id, p50, NOW + 3 * HOUR, NOW + 300 * HOUR);
    await customer('siti', [
      [-100, 3],
      [-2, 300],
    ]);
    expect(await run()).toMatchObject({ endingSoon: 0 });
    desk.setClock(NOW + 4 * HOUR);
    expect(await run()).toMatchObject({ ended: 0 });
  });

  test('is said when the next one begins only later, and its end when that has passed too', async () => {
    const { grants } = await customer('budi', [
      [-100, 3],
      [5, 300],
    ]);
    await run();
    desk.setClock(NOW + 4 * HOUR);
    await run();
    expect(await queued()).toEqual([`ending-soon:${grants[0]}`, `ended:${grants[0]}`]);
  });

  test('is not said to postpaid lines, the suspended, those without a phone, or of what was revoked', async () => {
    await customer('pasca', [[-100, 3]], { billing: 'postpaid' });
    await customer('henti', [[-100, 3]], { suspendedAt: NOW - HOUR });
    await customer('tanpa', [[-100, 3]], { phone: null });
    await customer('salah', [[-100, 3]], { phone: 'tanya ibu' });
    const { id } = await customer('cabut', []);
    await shop.grant(id, p20, NOW - 100 * HOUR, NOW + 300 * HOUR, { revokedAt: NOW - HOUR });
    await run();
    desk.setClock(NOW + 4 * HOUR);
    await run();
    expect(await queued()).toEqual([]);
  });

  test('of a day or less is not announced when it is bought, only its end is said', async () => {
    const { grants } = await customer('harian', [[0, 24]]);
    desk.setClock(NOW + MINUTE);
    await run();
    desk.setClock(NOW + 24 * HOUR + MINUTE);
    await run();
    expect(await queued()).toEqual([`ended:${grants[0]}`]);
  });

  test('after a time without us is said when it is not older than a day', async () => {
    await customer('lama', [[-100, -25]]);
    const { grants } = await customer('baru', [[-100, -23]]);
    expect(await run()).toMatchObject({ ended: 1, endingSoon: 0 });
    expect(await queued()).toEqual([`ended:${grants[0]}`]);
  });
});

describe('quota', () => {
  test('is said at 80 % and when it is spent, once each; who buys more begins anew', async () => {
    const { id, grants } = await customer('budi', [[-100, 400]], { used: 16 * GB - 1 });
    expect(await run()).toMatchObject({ quota: 0 });
    const use = (grantId: number, bytes: number) =>
      desk.db.execute('update grants set used_bytes = $2 where id = $1', [grantId, bytes]);
    await use(grants[0]!, 16 * GB);
    expect(await run()).toMatchObject({ quota: 1 });
    expect(await run()).toMatchObject({ quota: 0 });
    await use(grants[0]!, 20 * GB + 5);
    expect(await run()).toMatchObject({ quota: 1 });
    await desk.db.execute('update message set sent_at = now()');
    const more = await shop.grant(id, p20, NOW - HOUR, NOW + 400 * HOUR);
    expect(await run(), 'half of 40 GB').toMatchObject({ quota: 0 });
    await use(more, 20 * GB);
    expect(await run()).toMatchObject({ quota: 1 });
    expect(await queued()).toEqual([`quota-80:${grants[0]}`, `quota-100:${grants[0]}`, `quota-100:${more}`]);
    const all = await texts();
    expect(all[0]).toContain('sudah terpakai 16 GB dari 20 GB');
    expect(all[1]).toContain('sebesar 20 GB sudah habis');
  });

  test('reached all at once is said once, by the highest share', async () => {
    const { grants } = await customer('budi', [[-100, 400]], { used: 20 * GB });
    await run();
    await run();
    expect(await queued()).toEqual([`quota-100:${grants[0]}`]);
  });

  test('is not said to who has an unlimited package beside it, has more left elsewhere, or pays later', async () => {
    const { id } = await customer('budi', [[-100, 400]], { used: 20 * GB });
    await shop.grant(id, await shop.plan('tanpa batas', null), NOW - HOUR, NOW + HOUR * 30);
    await customer(
      'siti',
      [
        [-100, 400],
        [-1, 400],
      ],
      { used: 20 * GB },
    );
    await customer('pasca', [[-100, 400]], { used: 20 * GB, billing: 'postpaid' });
    await customer('nanti', [[10, 400]], { used: 20 * GB });
    expect(await run()).toMatchObject({ quota: 0 });
  });

  test('shares are those of the settings, none when there are none', async () => {
    const { grants } = await customer('budi', [[-100, 400]], { used: 10 * GB });
    await saveSettings(desk, 'reminders', { quotaShares: [] });
    expect(await run()).toMatchObject({ quota: 0 });
    await saveSettings(desk, 'reminders', { quotaShares: [50] });
    await run();
    expect(await queued()).toEqual([`quota-50:${grants[0]}`]);
    expect((await texts())[0]).toContain('sudah terpakai 10 GB dari 20 GB');
  });
});

describe('at night', () => {
  const dues = async (): Promise<Instant[]> =>
    (await desk.db.query<{ due: Instant }>('select due_at as due from message order by id')).map(({ due }) => due);
  /** 22.30 in Jakarta. */
  const NIGHT = Date.parse('2026-11-21T15:30:00Z');
  const MORNING = Date.parse('2026-11-22T00:00:00Z');

  test('reminders wait until the morning; by day they do not', async () => {
    await customer('budi', [[-100, 13]]);
    desk.setClock(NOW + 2 * HOUR);
    await run();
    desk.setClock(NIGHT);
    await customer('siti', [[-100, 13]]);
    await run();
    expect(await dues()).toEqual([NOW + 2 * HOUR, MORNING, MORNING]);
  });

  test('an end before the morning is not announced for the morning', async () => {
    desk.setClock(NIGHT);
    await customer('budi', [[-100, (MORNING - NOW) / HOUR - 1]]);
    expect(await run()).toMatchObject({ endingSoon: 0 });
  });

  test('what is not true any more by the morning is taken back', async () => {
    const budi = await customer('budi', [[-100, 12]]);
    const siti = await customer('siti', [[-100, 12]]);
    const spent = await customer('habis', [[-100, 300]], { used: 20 * GB });
    const soon = await customer('segera', [[-100, 30]]);
    desk.setClock(NIGHT);
    expect(await run()).toMatchObject({ ended: 2, quota: 1, endingSoon: 1 });
    for (const { id } of [budi, spent, soon]) await shop.grant(id, p20, NIGHT, NIGHT + 30 * DAY);
    desk.setClock(NIGHT + MINUTE);
    expect(await run()).toMatchObject({ outdated: 3 });
    expect(await queued()).toEqual([`ended:${siti.grants[0]}`]);
    expect(await run()).toMatchObject({ outdated: 0, ended: 0, quota: 0 });
  });

  test('quiet hours are of the company’s clock, over midnight or not, or there are none', () => {
    const at = (text: string) => Date.parse(text);
    const quiet = { quietFrom: '21:00', quietTo: '07:00' };
    expect(afterQuietHours(at('2026-11-21T13:59:59Z'), quiet, 'Asia/Jakarta')).toBe(at('2026-11-21T13:59:59Z'));
    expect(afterQuietHours(at('2026-11-21T14:00:00Z'), quiet, 'Asia/Jakarta')).toBe(at('2026-11-22T00:00:00Z'));
    expect(afterQuietHours(at('2026-11-21T14:00:00Z'), quiet, 'Asia/Jayapura')).toBe(at('2026-11-21T22:00:00Z'));
    expect(afterQuietHours(at('2026-11-21T06:00:00Z'), { quietFrom: '12:30', quietTo: '14:00' }, 'Asia/Jakarta')).toBe(
      at('2026-11-21T07:00:00Z'),
    );
    expect(afterQuietHours(NIGHT, { quietFrom: null, quietTo: null }, 'Asia/Jakarta')).toBe(NIGHT);
    // The night in which the clocks are put back.
    expect(afterQuietHours(at('2026-10-24T20:00:00Z'), quiet, 'Europe/Amsterdam')).toBe(at('2026-10-25T06:00:00Z'));
  });
});

describe('once', () => {
  test('also when two nodes look at the same time', async () => {
    for (let n = 0; n < 120; n++) await customer(`c${n}`, [[-100, 3]], { used: 20 * GB - 1 });
    const other = { ...desk, db: openDatabase({ url: desk.db.url, poolSize: 2 }) };
    const both = await Promise.all([queueReminders(desk), queueReminders(other)]);
    await other.db.close();
    expect(both[0].endingSoon + both[1].endingSoon).toBe(120);
    expect(both[0].quota + both[1].quota).toBe(120);
    expect(new Set(await queued()).size).toBe(240);
    expect(await queued()).toHaveLength(240);
  });

  test('also when it is interrupted anywhere: the next run does the rest', async () => {
    for (let n = 0; n < 150; n++) await customer(`c${n}`, [[-100, 3]]);
    let left = 130;
    const dying: TestDesk = {
      ...desk,
      db: {
        ...desk.db,
        transaction: (work, options) =>
          desk.db.transaction(
            (tx) =>
              work({
                ...tx,
                query: (text, values, name) => {
                  if (text.includes('insert into message') && left-- === 0) throw new Error('killed');
                  return tx.query(text, values, name);
                },
              }),
            options,
          ),
      } as TestDesk['db'],
    };
    await expect(queueReminders(dying)).rejects.toThrow('killed');
    expect(await queued()).toHaveLength(100);
    expect(await run()).toMatchObject({ endingSoon: 50 });
    expect(new Set(await queued()).size).toBe(150);
  });

  test('a stop ends it between commits', async () => {
    for (let n = 0; n < 3; n++) await customer(`c${n}`, [[-100, 3]]);
    expect(await queueReminders(desk, AbortSignal.abort())).toMatchObject({ endingSoon: 0 });
    expect(await queued()).toEqual([]);
  });
});
