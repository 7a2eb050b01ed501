import { afterEach, beforeEach, expect, test } from 'vitest';
import { Outbox, type OutboxOptions } from '#integrations/whatsapp/outbox';
import type { Outgoing, SendOutcome, Transport } from '#integrations/whatsapp/transport';
import { sendByHand } from '#operations/messages';
import { type TestDesk, testDesk } from '#test/operations/desk';
import { eventually } from '#test/whatsapp/harness';

let desk: TestDesk;
const outboxes: Outbox[] = [];

beforeEach(async () => {
  desk = await testDesk();
});
afterEach(async () => {
  await Promise.all(outboxes.splice(0).map((outbox) => outbox.stop()));
});

/** A transport that answers as it is told, in turn, and keeps what it was given. */
function scripted(name: Transport['name'], answers: (SendOutcome | Promise<SendOutcome>)[]) {
  const given: Outgoing[] = [];
  let ids = 0;
  const nothing = async () => undefined;
  const transport: Transport = {
    name,
    repeatable: name === 'baileys',
    state: () => ({ state: 'connected', qr: null, pairingCode: null, me: null, since: null, reason: null }),
    newId: () => `${name}-${++ids}`,
    isRegistered: async () => true,
    send: async (message) => {
      given.push(message);
      return (await answers.shift()) ?? { is: 'sent' };
    },
    stop: nothing,
    pairByQr: nothing,
    pairByCode: nothing,
    unpair: nothing,
    reconnect: nothing,
  };
  return { transport, given };
}

async function start(transport: Transport | null, changes: Partial<OutboxOptions> = {}): Promise<Outbox> {
  const nothing = () => undefined;
  const outbox = new Outbox(
    {
      db: desk.db,
      sealer: desk.sealer,
      clock: Date.now,
      zone: desk.zone,
      log: { debug: nothing, info: nothing, warn: nothing },
      limits: () => ({ perMinute: 1_000_000, perDay: 1_000 }),
      firstPauseMs: 10,
      ...changes,
    },
    transport,
  );
  outboxes.push(outbox);
  await outbox.start();
  return outbox;
}

async function queue(): Promise<number> {
  const [row] = await desk.db.query<{ id: number }>(
    `insert into subscriber (username, password_sealed, phone) values (gen_random_uuid(), '\\x00', '081234567890') returning id`,
  );
  return (await sendByHand({ ...desk, clock: Date.now }, { subscriberId: row!.id, text: 'Halo' })).id;
}

type Row = {
  transport: string | null;
  id: string;
  waiting: string | null;
  sent: number | null;
  failure: string | null;
};
const row = async (id: number): Promise<Row> => {
  const [found] = await desk.db.query<Row>(
    `select transport, transport_id as id, waiting_for as waiting, sent_at as sent, failure from message where id = $1`,
    [id],
  );
  return found!;
};

test('a message that may have gone out by one transport is never handed to the other, also when a repetition was refused', async () => {
  const id = await queue();
  const doubt: SendOutcome = { is: 'later', reason: 'no-answer', inDoubt: true };
  const refused: SendOutcome = { is: 'later', reason: 'server-error: 503', inDoubt: false };
  const line = scripted('baileys', [doubt, refused]);
  const first = await start(line.transport, { firstPauseMs: 300 });
  await eventually(async () => (await row(id)).waiting).toBe('server-error: 503');
  await first.stop();
  expect(line.given.map(({ transportId }) => transportId)).toEqual(['baileys-1', 'baileys-1']);
  const cloud = scripted('cloud', []);
  await start(cloud.transport);
  const other = await queue();
  await eventually(async () => (await row(other)).sent).not.toBeNull();
  expect(cloud.given).toHaveLength(1);
  expect(await row(id)).toMatchObject({ transport: 'baileys', id: 'baileys-1', sent: null });
});

test('a message that was refused for sure may go by the other transport', async () => {
  const id = await queue();
  const line = scripted('baileys', [{ is: 'later', reason: 'not-connected', inDoubt: false }]);
  const first = await start(line.transport, { firstPauseMs: 200 });
  await eventually(() => row(id)).toMatchObject({ transport: null, waiting: 'not-connected' });
  outboxes.pop();
  await first.stop();
  const cloud = scripted('cloud', []);
  await start(cloud.transport);
  await eventually(async () => (await row(id)).sent).not.toBeNull();
  expect(line.given.length + cloud.given.length).toBe(2);
});

test('a body that cannot be opened fails and does not hold up the others', async () => {
  const broken = await queue();
  const good = await queue();
  await desk.db.execute(`update message set body_sealed = '\\x00' where id = $1`, [broken]);
  const { transport, given } = scripted('baileys', []);
  await start(transport);
  await eventually(async () => (await row(good)).sent).not.toBeNull();
  expect(await row(broken)).toMatchObject({ failure: 'unreadable' });
  expect(given).toHaveLength(1);
});

test('what WhatsApp is called for while it is at work is done at once afterwards', async () => {
  let answer: (outcome: SendOutcome) => void = () => undefined;
  const held = new Promise<SendOutcome>((resolve) => {
    answer = resolve;
  });
  const { transport, given } = scripted('baileys', [held]);
  const outbox = await start(transport);
  await queue();
  outbox.wake();
  await eventually(() => given.length).toBe(1);
  await queue();
  outbox.wake();
  answer({ is: 'sent' });
  await eventually(() => given.length, 2_000).toBe(2);
});

test('while WhatsApp is off messages wait, and expire', async () => {
  const waits = await queue();
  const late = await queue();
  await desk.db.execute(`update message set expires_at = now() where id = $1`, [late]);
  await start(null);
  await eventually(() => row(late)).toMatchObject({ failure: 'expired' });
  expect(await row(waits)).toMatchObject({ sent: null, failure: null, transport: null });
});

test('receipts that come while the database is away are written down when it is back', async () => {
  const id = await queue();
  const { transport } = scripted('baileys', []);
  const outbox = await start(transport);
  await eventually(async () => (await row(id)).sent).not.toBeNull();
  const { transportId } = { transportId: (await row(id)).id };
  await desk.db.execute('alter table message rename to message_away');
  outbox.receipt(transportId, 'read', Date.now());
  await new Promise((resolve) => setTimeout(resolve, 100));
  await desk.db.execute('alter table message_away rename to message');
  const read = async () =>
    (await desk.db.query<{ at: number | null }>('select read_at as at from message where id = $1', [id]))[0]!.at;
  await eventually(read).not.toBeNull();
});
