import { pino } from 'pino';
import { afterEach, beforeEach, expect } from 'vitest';
import type { WhatsAppState } from '#domain/whatsapp';
import type { Desk } from '#operations/desk';
import { sendByHand } from '#operations/messages';
import { saveSettings } from '#operations/settings';
import { type MessagesOptions, type MessagesSide, startMessages } from '#policy-server/messages-side';
import { LISTED_MESSAGE, type ListedMessage, type MessageState, messageState } from '#storage/messages';
import { type TestDesk, testDesk } from '#test/operations/desk';
import { startWhatsApp, type WhatsApp } from '#test/world/whatsapp';

export const OURS = '6281100000001';

/** What the tests share: fresh for each of them. */
export let desk: TestDesk;
export let whatsApp: WhatsApp;
/** All that was logged. */
export let logged: string[];
const sides: MessagesSide[] = [];

export function useWhatsApp(): void {
  beforeEach(async () => {
    desk = await testDesk();
    whatsApp = await startWhatsApp();
    logged = [];
    await saveSettings(desk, 'whatsapp', { transport: 'baileys', perMinute: '600', perDay: '100000' });
  });
  afterEach(async () => {
    await Promise.all(sides.splice(0).map((side) => side.stop()));
    await whatsApp.stop();
  });
}

/** A node's messages side, with the patience of a test. */
export async function start(changes: Partial<MessagesOptions> = {}): Promise<MessagesSide> {
  const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
  const side = await startMessages({
    db: desk.db,
    sealer: desk.sealer,
    clock: Date.now,
    log,
    zone: desk.zone,
    whatsAppUrl: whatsApp.url,
    lookEveryMs: 100,
    ...changes,
    baileys: { answerTimeoutMs: 1_000, firstPauseMs: 20, ...changes.baileys },
    outbox: {
      firstPauseMs: 20,
      // Without the pace of a person: the tests of `pace.test.ts` look at that.
      limits: () => ({ perMinute: 1_000_000, perDay: 100_000 }),
      ...changes.outbox,
    },
  });
  sides.push(side);
  return side;
}

export const stop = async (side: MessagesSide): Promise<void> => {
  sides.splice(sides.indexOf(side), 1);
  await side.stop();
};

export const eventually = <T>(read: () => T | Promise<T>, timeout = 30_000) =>
  expect.poll(read, { timeout, interval: 10 });

export const becomes = (side: MessagesSide, state: WhatsAppState) =>
  eventually(() => side.control.status().state).toBe(state);

/** A side whose number is linked. */
export async function startPaired(changes: Partial<MessagesOptions> = {}): Promise<MessagesSide> {
  const side = await start(changes);
  await pair(side);
  return side;
}

export async function pair(side: MessagesSide): Promise<void> {
  await side.control.pairByQr();
  await eventually(() => side.control.status().qr).toBeTruthy();
  whatsApp.scan(side.control.status().qr!, OURS);
  await becomes(side, 'connected');
}

let people = 0;

/** Subscribers with telephone numbers, who are on WhatsApp. */
export async function subscribers(
  count: number,
  phones: readonly string[] = [],
): Promise<{ id: number; phone: string }[]> {
  const rows = Array.from({ length: count }, (_, at) => {
    people += 1;
    return { name: `s${people}`, phone: phones[at] ?? `62812${String(people).padStart(8, '0')}` };
  });
  const written = await desk.db.query<{ id: number; phone: string }>(
    `insert into subscriber (username, password_sealed, phone)
     select name, '\\x00', phone from unnest($1::text[], $2::text[]) as of (name, phone) returning id, phone`,
    [rows.map(({ name }) => name), rows.map(({ phone }) => phone)],
  );
  return written;
}

/** Queues a text for each of them. */
export async function writeTo(people: readonly { id: number }[], text: string, by: Desk = desk): Promise<number[]> {
  const at: Desk = { ...by, clock: Date.now };
  const ids: number[] = [];
  for (const { id } of people) ids.push((await sendByHand(at, { subscriberId: id, text: `${text} ${id}` })).id);
  return ids;
}

export async function message(id: number): Promise<ListedMessage> {
  const [row] = await desk.db.query<ListedMessage>(`select ${LISTED_MESSAGE} from message where id = $1`, [id]);
  return row!;
}

export const stateOf = async (id: number): Promise<MessageState> => messageState(await message(id));

export async function states(): Promise<Partial<Record<MessageState, number>>> {
  const rows = await desk.db.query<ListedMessage>(`select ${LISTED_MESSAGE} from message`);
  const counts: Partial<Record<MessageState, number>> = {};
  for (const row of rows) counts[messageState(row)] = (counts[messageState(row)] ?? 0) + 1;
  return counts;
}
