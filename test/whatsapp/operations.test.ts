import { beforeAll, expect, test } from 'vitest';
import { SHIPPED_TEXTS } from '#domain/notice-texts';
import { cancelMessage, resend, sendByHand, sendTest } from '#operations/messages';
import { queueNotice } from '#operations/queue-notice';
import { listTemplates, previewTemplate, resetTemplate, saveTemplate } from '#operations/templates';
import { findMessage, messagesOf, openBody } from '#storage/messages';
import { expireMessages, settleFailed, settleSent } from '#storage/outbox';
import { faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;

beforeAll(async () => {
  desk = await testDesk();
});

let people = 0;
async function subscriber(changes: { phone?: string | null; language?: 'id' | 'en' } = {}): Promise<number> {
  people += 1;
  const { phone = '0812-3456-7890', language = 'id' } = changes;
  const [row] = await desk.db.query<{ id: number }>(
    `insert into subscriber (username, password_sealed, phone, language) values ($1, '\\x00', $2, $3) returning id`,
    [`budi${people}`, phone, language],
  );
  return row!.id;
}

const VALUES = { name: 'Budi', plan: '20GB', until: '20 Nov 2026 18.00 WIB', portalUrl: 'http://portal.test' };
const queueEnded = (subscriberId: number) =>
  desk.db.transaction((tx) => queueNotice(tx, desk, { subscriberId, notice: 'ended', values: VALUES, onceKey: null }));

async function newest(subscriberId: number) {
  const [listed] = await messagesOf(desk.db, subscriberId);
  const found = (await findMessage(desk.db, listed!.id))!;
  return { ...found, body: openBody(desk.sealer, found.id, found.bodySealed) };
}

test('a notice is in the subscriber’s language, to the number as WhatsApp writes it', async () => {
  const inEnglish = await subscriber({ language: 'en', phone: '+62 (0)812-3456-7890' });
  expect(await queueEnded(inEnglish)).toBe(true);
  const { phone, body, secret } = await newest(inEnglish);
  expect([phone, secret, body.language]).toEqual(['6281234567890', false, 'en']);
  expect(body.text).toContain('Your internet package 20GB ended on 20 Nov 2026 18.00 WIB.');
  expect(body.values).toEqual(VALUES);
});

test.each([null, '', '12', 'belum ada'])('without a usable number (%j) nothing is queued', async (phone) => {
  const id = await subscriber({ phone });
  expect(await queueEnded(id)).toBe(false);
  expect(await messagesOf(desk.db, id)).toEqual([]);
});

test('an edited text counts from the next message on, and can be reset; the audit says who', async () => {
  const id = await subscriber();
  const text = 'Yth. {{name}}, paket {{plan}} habis.\r\nBeli: {{portalUrl}}';
  await saveTemplate(desk, { notice: 'ended', language: 'id', text });
  await queueEnded(id);
  expect((await newest(id)).body.text).toBe('Yth. Budi, paket 20GB habis.\nBeli: http://portal.test');
  const listed = (await listTemplates(desk.db)).find(
    ({ notice, language }) => notice === 'ended' && language === 'id',
  )!;
  expect(listed.edited).toMatchObject({ changedBy: 'test', changedAt: NOW });
  expect(await resetTemplate(desk, { notice: 'ended', language: 'id' })).toEqual({ changed: true });
  expect(await resetTemplate(desk, { notice: 'ended', language: 'id' })).toEqual({ changed: false });
  await queueEnded(id);
  expect((await newest(id)).body.text).toContain('telah berakhir pada');
  const audit = await desk.db.query<{ why: string }>(`select why from audit where why like '%template' order by id`);
  expect(audit.map(({ why }) => why)).toEqual([
    'save message template',
    'reset message template',
    'reset message template',
  ]);
});

test('a text with a field that the notice does not have is refused, and so is a notice that is none', async () => {
  const wrong = { notice: 'ended', language: 'id', text: 'PIN {{pin}}' };
  expect(await faults(saveTemplate(desk, wrong))).toEqual([
    '{{pin}} is no field of this message; there are: {{name}}, {{plan}}, {{until}}, {{portalUrl}}',
  ]);
  expect(() => previewTemplate(wrong)).toThrow('{{pin}} is no field');
  expect(await faults(saveTemplate(desk, { notice: 'spam', language: 'id', text: 'x' }))).toHaveLength(1);
  expect(previewTemplate({ notice: 'ended', language: 'id', text: 'Halo {{name}}' })).toBe('Halo Budi Santoso');
  expect((await listTemplates(desk.db)).map(({ text }) => text)).toContain(SHIPPED_TEXTS.ended.id);
});

test('resending: a failed one goes back into the queue, a sent one is queued once more, a waiting one is refused', async () => {
  const id = await subscriber();
  const { id: first } = await sendByHand(desk, { subscriberId: id, text: 'Halo' });
  expect(await faults(resend(desk, first))).toEqual([`message ${first} is waiting to be sent already`]);
  await settleFailed(desk.db, first, 'not-on-whatsapp', NOW);
  expect(await resend(desk, first)).toEqual({ id: first });
  expect(await newest(id)).toMatchObject({ failure: null, failedAt: null, attempts: 0, dueAt: NOW });
  await settleSent(desk.db, first, NOW, null);
  const { id: second } = await resend(desk, first);
  expect(second).not.toBe(first);
  expect((await newest(id)).body.text).toBe('Halo');
  expect(await faults(resend(desk, 999_999))).toEqual(['there is no message 999999']);
});

test('a text that is old and was not kept cannot be sent again', async () => {
  const id = await subscriber();
  const { id: old } = await sendByHand(desk, { subscriberId: id, text: 'Halo' });
  await settleFailed(desk.db, old, 'expired', NOW);
  await desk.db.execute(`update message set body_sealed = '' where id = $1`, [old]);
  expect(await faults(resend(desk, old))).toEqual([`message ${old} is so old that its text is not kept any more`]);
});

test('resending after the number was mended goes to the new one', async () => {
  const id = await subscriber({ phone: '0811-1111-1111' });
  const { id: first } = await sendByHand(desk, { subscriberId: id, text: 'Halo' });
  await settleFailed(desk.db, first, 'not-on-whatsapp', NOW);
  await desk.db.execute(`update subscriber set phone = '0822-2222-2222' where id = $1`, [id]);
  await resend(desk, first);
  expect((await newest(id)).phone).toBe('6282222222222');
});

test('a PIN that was replaced or used since is not sent again', async () => {
  const id = await subscriber();
  const values = { name: 'Budi', portalId: '12345678', pin: '481920', loginUrl: 'http://portal.test' };
  const queue = () =>
    desk.db.transaction((tx) =>
      queueNotice(tx, desk, { subscriberId: id, notice: 'portal-pin', values, onceKey: null }),
    );
  const account = `insert into portal_account (subscriber_id, pin_sealed, issued_at) values ($1, '\\x00', to_timestamp($2 / 1000.0))`;
  await desk.db.execute(account, [id, NOW]);
  await queue();
  const { id: message, secret, expiresAt } = await newest(id);
  expect([secret, expiresAt - NOW]).toEqual([true, 7 * 24 * 3_600_000]);
  await settleFailed(desk.db, message, 'expired', NOW);
  expect(await resend(desk, message)).toEqual({ id: message });
  await settleFailed(desk.db, message, 'expired', NOW);
  const refused = [`message ${message} tells a PIN that was replaced or used since; issue a new PIN and send that`];
  await desk.db.execute('update portal_account set must_change_pin = false where subscriber_id = $1', [id]);
  expect(await faults(resend(desk, message))).toEqual(refused);
  await desk.db.execute(
    'update portal_account set must_change_pin = true, issued_at = to_timestamp($2 / 1000.0) where subscriber_id = $1',
    [id, NOW + 1000],
  );
  expect(await faults(resend(desk, message))).toEqual(refused);
});

test('a message can be taken back until it is being sent', async () => {
  const id = await subscriber();
  const { id: waiting } = await sendByHand(desk, { subscriberId: id, text: 'Halo' });
  await cancelMessage(desk, waiting);
  expect(await faults(cancelMessage(desk, waiting))).toHaveLength(1);
  const { id: claimed } = await sendByHand(desk, { subscriberId: id, text: 'Halo' });
  await desk.db.execute(`update message set claimed_until = now() + interval '1 minute' where id = $1`, [claimed]);
  expect(await faults(cancelMessage(desk, claimed))).toEqual([
    `message ${claimed} does not wait any more; it cannot be taken back`,
  ]);
});

test('what is too late fails with the reason it was waiting for; what may have been sent is said to be unconfirmed', async () => {
  const id = await subscriber();
  const { id: plain } = await sendByHand(desk, { subscriberId: id, text: 'a' });
  const { id: waited } = await sendByHand(desk, { subscriberId: id, text: 'b' });
  const { id: begun } = await sendByHand(desk, { subscriberId: id, text: 'c' });
  await desk.db.execute(`update message set waiting_for = 'reach-out-lock-463' where id = $1`, [waited]);
  await desk.db.execute(`update message set transport = 'baileys' where id = $1`, [begun]);
  await expireMessages(desk.db, NOW + 24 * 3_600_000 - 1);
  expect((await findMessage(desk.db, plain))!.failure).toBeNull();
  await expireMessages(desk.db, NOW + 24 * 3_600_000);
  const failure = async (message: number) => (await findMessage(desk.db, message))!.failure;
  expect([await failure(plain), await failure(waited), await failure(begun)]).toEqual([
    'expired',
    'expired: reach-out-lock-463',
    'unconfirmed',
  ]);
});

test('a test message and one by hand need a number and a text', async () => {
  expect(await faults(sendTest(desk, 'nobody'))).toEqual([
    'phone "nobody" is not usable; give a telephone number, for example 081234567890',
  ]);
  const id = await subscriber({ phone: null });
  expect(await faults(sendByHand(desk, { subscriberId: id, text: 'Halo' }))).toHaveLength(1);
  expect(await faults(sendByHand(desk, { subscriberId: id, text: '  ' }))).toHaveLength(1);
  expect(await faults(sendByHand(desk, { subscriberId: id, text: 'x\u0000y' }))).toHaveLength(1);
});
