import { expect, test } from 'vitest';
import { isSecret } from '#domain/notices';
import { MINUTE } from '#domain/time';
import { cancelMessage, resend, sendTest } from '#operations/messages';
import { queueNotice } from '#operations/queue-notice';
import {
  desk,
  eventually,
  logged,
  message,
  start,
  startPaired,
  stateOf,
  states,
  stop,
  subscribers,
  useWhatsApp,
  whatsApp,
  writeTo,
} from '#test/whatsapp/harness';

useWhatsApp();

// Not six digits: a dump of a database holds any six by chance, as in the microseconds of a time.
const PIN = {
  name: 'Budi',
  portalId: '12345678',
  pin: 'sembilan-nol-tujuh',
  loginUrl: 'http://portal.test/prepaid/portal/login',
};
const now = () => ({ ...desk, clock: Date.now });

test('a message is sent, delivered and read, and each of that is seen', async () => {
  whatsApp.fault({ receipts: 'none' });
  await startPaired();
  const [budi] = await subscribers(1);
  const [sent] = await writeTo([budi!], 'Halo');
  await eventually(() => stateOf(sent!)).toBe('sent');
  whatsApp.fault({ receipts: 'delivered' });
  const [delivered] = await writeTo([budi!], 'Masih di sana?');
  await eventually(() => stateOf(delivered!)).toBe('delivered');
  whatsApp.fault({});
  const [read] = await writeTo([budi!], 'Terima kasih');
  await eventually(() => stateOf(read!)).toBe('read');
  const { deliveredAt, readAt, sentAt, failure } = await message(read!);
  expect([sentAt! <= deliveredAt!, deliveredAt! <= readAt!, failure]).toEqual([true, true, null]);
  expect(whatsApp.messages().map(({ to, text }) => ({ to, text }))).toEqual([
    { to: budi!.phone, text: `Halo ${budi!.id}` },
    { to: budi!.phone, text: `Masih di sana? ${budi!.id}` },
    { to: budi!.phone, text: `Terima kasih ${budi!.id}` },
  ]);
});

test('a message that is queued while connected goes at once, not at the next look', async () => {
  await startPaired();
  const [budi] = await subscribers(1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const began = performance.now();
  await writeTo([budi!], 'Halo');
  await whatsApp.until('the message', () => whatsApp.messages().length === 1);
  expect(performance.now() - began).toBeLessThan(1_500);
});

test('a number that is not on WhatsApp fails and is not asked about again that day; resending asks again', async () => {
  await startPaired();
  const [budi] = await subscribers(1);
  whatsApp.fault({ unregistered: [budi!.phone] });
  const [first] = await writeTo([budi!], 'Halo');
  await eventually(() => stateOf(first!)).toBe('failed');
  expect(await message(first!)).toMatchObject({ failure: 'not-on-whatsapp', attempts: 1 });
  whatsApp.fault({});
  const [second] = await writeTo([budi!], 'Halo');
  await eventually(() => stateOf(second!)).toBe('failed');
  expect(whatsApp.messages()).toEqual([]);
  expect(await resend(now(), first!)).toEqual({ id: first });
  await eventually(() => stateOf(first!)).toBe('read');
});

test('the check is made once for a number', async () => {
  await startPaired();
  const [budi] = await subscribers(1);
  const [first] = await writeTo([budi!], 'Halo');
  await eventually(() => stateOf(first!)).toBe('read');
  const checked = () => desk.db.query<{ at: number }>('select checked_at as at from whatsapp_contact');
  const before = await checked();
  const [second] = await writeTo([budi!], 'Halo lagi');
  await eventually(() => stateOf(second!)).toBe('read');
  expect(await checked()).toEqual(before);
});

test('who writes to us is remembered, and gets messages before others', async () => {
  const side = await startPaired();
  const [cold, warm] = await subscribers(2);
  await whatsApp.write(warm!.phone, 'Halo, mau tanya paket');
  const known = () =>
    desk.db.query<{ phone: string; first: number }>(
      'select phone, first_wrote_at as first from whatsapp_contact where first_wrote_at is not null',
    );
  await eventually(async () => (await known()).map(({ phone }) => phone)).toEqual([warm!.phone]);
  await stop(side);
  await writeTo([cold!, warm!], 'Info');
  await start();
  await eventually(() => whatsApp.messages().map(({ to }) => to)).toEqual([warm!.phone, cold!.phone]);
  const kept = JSON.stringify(await desk.db.query('select * from whatsapp_contact')) + logged.join('');
  expect(kept).not.toContain('mau tanya');
});

test('the test message goes ahead of a long queue', async () => {
  const side = await startPaired();
  await stop(side);
  await writeTo(await subscribers(20), 'Info');
  await sendTest(now(), '0811-2222-3333');
  await start();
  await eventually(() => whatsApp.messages().length).toBeGreaterThan(0);
  expect(whatsApp.messages()[0]).toMatchObject({ to: '6281122223333', text: expect.stringContaining('uji coba') });
});

test('a message that is too late to be of use is dropped, and says so', async () => {
  const [budi] = await subscribers(1);
  const [late, inTime] = await writeTo([budi!, budi!], 'Paket berakhir besok');
  await desk.db.query(`update message set expires_at = now() - interval '1 minute' where id = $1`, [late]);
  await startPaired();
  await eventually(() => stateOf(inTime!)).toBe('read');
  await eventually(() => stateOf(late!)).toBe('failed');
  expect((await message(late!)).failure).toBe('expired');
  expect(whatsApp.messages()).toHaveLength(1);
});

test('a message taken back is not sent; one that is not due waits', async () => {
  const [budi] = await subscribers(1);
  const [taken, waits] = await writeTo([budi!, budi!], 'Halo');
  await cancelMessage(now(), taken!);
  await desk.db.query(`update message set due_at = now() + interval '600 milliseconds' where id = $1`, [waits]);
  await startPaired();
  expect(await stateOf(waits!)).toBe('queued');
  await eventually(() => stateOf(waits!)).toBe('read');
  expect(await stateOf(taken!)).toBe('cancelled');
  expect(whatsApp.messages()).toHaveLength(1);
});

test('the daily limit stops sending, and the settings count at once', async () => {
  const limits = { perMinute: 1_000_000, perDay: 3 };
  const side = await startPaired({ outbox: { limits: () => limits } });
  await writeTo(await subscribers(5), 'Info');
  await eventually(states).toEqual({ read: 3, queued: 2 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(whatsApp.messages()).toHaveLength(3);
  expect(side.control.status().sentToday).toBe(3);
  limits.perDay = 100;
  await eventually(states).toEqual({ read: 5 });
});

test('what was sent today counts after a restart', async () => {
  const side = await startPaired();
  await writeTo(await subscribers(2), 'Info');
  await eventually(states).toEqual({ read: 2 });
  await stop(side);
  const again = await start();
  await eventually(() => again.control.status().sentToday).toBe(2);
});

test('neither a PIN nor the body of a message nor a key of the link stands in clear in any table or log', async () => {
  await startPaired();
  const [budi] = await subscribers(1);
  const once = { subscriberId: budi!.id, notice: 'portal-pin' as const, values: PIN, onceKey: null };
  expect(await desk.db.transaction((tx) => queueNotice(tx, now(), once))).toBe(true);
  const [byHand] = await writeTo([budi!], 'Rahasia-kita-berdua');
  await eventually(() => stateOf(byHand!)).toBe('read');
  await eventually(states).toEqual({ read: 2 });
  expect(whatsApp.messages().some(({ text }) => text.includes(`PIN: ${PIN.pin}`))).toBe(true);
  const dump = await wholeDatabase();
  for (const secret of [PIN.pin, 'Rahasia-kita', 'noiseKey', 'advSecretKey', 'privKey', 'signedIdentityKey']) {
    for (const form of [
      secret,
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ]) {
      expect(dump.includes(form), `${secret} in the database`).toBe(false);
      expect(logged.join('\n').includes(form), `${secret} in the log`).toBe(false);
    }
  }
  expect(isSecret('portal-pin')).toBe(true);
});

/** Every row of every table as text, binary columns in hexadecimal. */
async function wholeDatabase(): Promise<string> {
  const tables = await desk.db.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    for (const { row } of await desk.db.query<{ row: string }>(`select of::text as row from ${name} as of`))
      rows.push(row);
  }
  expect(rows.length).toBeGreaterThan(800); // the pre-keys alone are 812
  return rows.join('\n');
}

test('a new PIN takes an older one that was not sent yet out of the queue', async () => {
  const [budi] = await subscribers(1);
  const queue = (pin: string) =>
    desk.db.transaction((tx) =>
      queueNotice(tx, now(), { subscriberId: budi!.id, notice: 'portal-pin', values: { ...PIN, pin }, onceKey: null }),
    );
  await queue('111222');
  await queue('333444');
  await startPaired();
  await eventually(states).toEqual({ cancelled: 1, read: 1 });
  expect(whatsApp.messages().map(({ text }) => /PIN: (\d+)/.exec(text)?.[1])).toEqual(['333444']);
});

test('a notice with a once key is queued once, also when two want it at the same time', async () => {
  const [budi] = await subscribers(1);
  const values = { name: 'Budi', plan: '20GB', until: '20 Nov 2026 18.00 WIB', portalUrl: 'http://portal.test' };
  const queue = () =>
    desk.db.transaction((tx) =>
      queueNotice(tx, now(), { subscriberId: budi!.id, notice: 'ended', values, onceKey: 'ended:7' }),
    );
  const queued = await Promise.all([queue(), queue(), queue()]);
  expect(queued.filter(Boolean)).toHaveLength(1);
  expect(await states()).toEqual({ queued: 1 });
  const [row] = await desk.db.query<{ useful: number }>(
    'select extract(epoch from expires_at - due_at)::int as useful from message',
  );
  expect(row!.useful * 1000).toBe(24 * 60 * MINUTE);
});
