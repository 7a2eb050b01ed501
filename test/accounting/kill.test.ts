import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Intake } from '#policy-server/intake';
import { JournalReader, readJournal } from '#radius/journal';
import { journalPosition } from '#storage/accounting';
import type { Database } from '#storage/database';
import { charged, company, sessions, ZONE } from '#test/accounting/ledger';
import type { Said } from '#test/accounting/requests';
import { accountingRequest, routerOs, understood } from '#test/accounting/requests';
import type { ChildSettings } from '#test/accounting/server-child';
import { testDatabase } from '#test/support/database';

const KILLS = 50;
const LINES = 24;
const SECRET = 'a-secret-nobody-guesses';

/** A record of a session as sent, until it is acknowledged, and the log of those that were. */
type Sent = { readonly token: string; readonly said: Said };

/**
 * One subscriber line of a NAS that sends each record until it is acknowledged, with a new Identifier and
 * Acct-Delay-Time each time as RouterOS does, and then the next: sessions of one to four records with counters that grow.
 */
class Line {
  readonly acknowledged: Sent[] = [];
  readonly #user: string;
  readonly #socket: Socket = createSocket('udp4');
  readonly #port: () => number;
  #identifier = 0;
  #session = 0;
  #left = 0;
  #token = Buffer.alloc(16);
  #said: Said = {};
  #expected: { authenticator: Buffer; identifier: number }[] = [];
  #firstSentAt = 0;
  #timer: NodeJS.Timeout | null = null;
  #finishing = false;
  done: () => void = () => undefined;

  constructor(user: string, port: () => number) {
    this.#user = user;
    this.#port = port;
    this.#socket.on('message', (reply) => this.#take(reply));
    this.#next();
  }

  /** Resolves when the record in hand is acknowledged; sends no more. */
  finish(): Promise<void> {
    this.#finishing = true;
    return new Promise((resolve) => {
      this.done = resolve;
    });
  }

  #next(): void {
    if (this.#finishing) {
      this.#socket.close();
      this.done();
      return;
    }
    const before = this.#left === 0 ? {} : this.#said;
    if (this.#left === 0) {
      this.#token = randomBytes(16);
      this.#session += 1;
      this.#left = 1 + (this.#token[0]! & 3);
    }
    this.#left -= 1;
    this.#said = {
      token: this.#token,
      user: this.#user,
      id: `81${this.#session.toString(16).padStart(6, '0')}`,
      status: this.#left === 0 ? 'stop' : 'interim',
      seconds: (before.seconds ?? 0) + 60,
      up: (before.up ?? 0) + this.#token[1]! * 16_777_216 + 1,
      down: (before.down ?? 0) + this.#token[2]! * 16_777_216 + 7,
    };
    this.#expected = [];
    this.#firstSentAt = Date.now();
    this.#send();
  }

  #send(): void {
    this.#identifier = (this.#identifier + 1) & 255;
    const delay = Math.floor((Date.now() - this.#firstSentAt) / 1000);
    const attributes = routerOs({ ...this.#said, more: [[41, delay]] });
    const packet = accountingRequest(attributes, SECRET, this.#identifier);
    this.#expected.push({ authenticator: packet.subarray(4, 20), identifier: this.#identifier });
    if (this.#port() !== 0) this.#socket.send(packet, this.#port(), '127.0.0.1');
    this.#timer = setTimeout(() => this.#send(), 150);
  }

  #take(reply: Buffer): void {
    if (!this.#expected.some((request) => answers(reply, request))) return;
    clearTimeout(this.#timer!);
    this.acknowledged.push({ token: this.#token.toString('hex'), said: this.#said });
    this.#next();
  }
}

/** Accounting-Response whose Response Authenticator (RFC 2866 section 3) is over the request's. */
function answers(reply: Buffer, request: { authenticator: Buffer; identifier: number }): boolean {
  if (reply[0] !== 5 || reply[1] !== request.identifier) return false;
  const signed = Buffer.concat([reply.subarray(0, 4), request.authenticator, reply.subarray(20), Buffer.from(SECRET)]);
  return createHash('md5').update(signed).digest().equals(reply.subarray(4, 20));
}

async function started(settings: ChildSettings): Promise<{ child: ChildProcess; acctPort: number }> {
  const file = new URL('./server-child.ts', import.meta.url);
  const child = fork(file, [JSON.stringify(settings)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
  const acctPort = await new Promise<number>((resolve, reject) => {
    child.on('message', (message: { acctPort?: number }) => {
      if (message.acctPort !== undefined) resolve(message.acctPort);
    });
    child.once('exit', () => reject(new Error('the server ended by itself')));
  });
  return { child, acctPort };
}

/** One server is let go in order: it leaves its code compiled to all that are killed, which then start in half the time. */
async function warmedUp(settings: ChildSettings): Promise<void> {
  const { child } = await started(settings);
  await once(child, 'message'); // metrics: its intake is at work
  child.disconnect();
  await once(child, 'exit');
}

/** Applies what is left, in this process. */
async function drained(db: Database, journalsFolder: string): Promise<void> {
  const intake = new Intake({
    db,
    journalsFolder,
    zone: ZONE,
    clock: Date.now,
    keepSegments: 1000,
    post: () => undefined,
  });
  const reader = new JournalReader(join(journalsFolder, '0'));
  while (reader.next(10_000) !== null);
  const run = intake.run();
  await vi.waitFor(async () => expect(await journalPosition(db, reader.id()!)).toEqual(reader.position), {
    timeout: 30_000,
    interval: 100,
  });
  intake.stop();
  await run;
}

test(`killed -9 ${KILLS} times under load: every acknowledged record is in the database, to the byte, once`, async () => {
  const db = await testDatabase();
  const usernames = Array.from({ length: LINES }, (_, i) => `line${i}`);
  const { nasId } = await company(db, Date.now(), { usernames });
  const dataDir = fs.mkdtempSync(join(tmpdir(), 'accounting-'));
  const journalsFolder = join(dataDir, 'journal');
  const nas = {
    id: nasId,
    name: 'a',
    tags: [],
    address: '127.0.0.1',
    secret: SECRET,
    messageAuthenticator: 'auto',
    messageAuthenticatorSeen: false,
    swapOctets: false,
  } as const;
  const settings: ChildSettings = { dataDir, databaseUrl: db.url, nas };
  const withIntake: ChildSettings = { ...settings, intake: { zone: ZONE, keepSegments: 1000 } };

  await warmedUp(withIntake);
  let port = 0;
  const lines = usernames.map((user) => new Line(user, () => port));
  for (let kill = 0; kill < KILLS; kill += 1) {
    // Starting the intake takes longest: every third server has one, and is killed in the midst of its batches.
    const { child, acctPort } = await started(kill % 3 === 0 ? withIntake : settings);
    port = acctPort;
    await new Promise((resolve) => setTimeout(resolve, (kill % 3 === 0 ? 400 : 40) + Math.random() * 200));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const last = await started(settings);
  port = last.acctPort;
  await Promise.all(lines.map((line) => line.finish()));
  last.child.kill('SIGKILL');
  await once(last.child, 'exit');
  await drained(db, journalsFolder);

  const acknowledged = lines.flatMap((line) => line.acknowledged);
  const inJournal = new Set<string>();
  for (const { packet, receivedAt } of readJournal(join(journalsFolder, '0'))) {
    const record = understood([...attributesOf(packet)], receivedAt);
    if ('acctSessionId' in record) inJournal.add(`${record.token} ${record.sessionSeconds}`);
  }
  expect(acknowledged.filter(({ token, said }) => !inJournal.has(`${token} ${said.seconds}`))).toEqual([]);

  const newest = new Map(acknowledged.map(({ token, said }) => [token, said]));
  const stored = new Map((await sessions(db)).map((row) => [row.key, row]));
  expect(stored.size).toBe(newest.size);
  const wrong = [...newest].filter(([token, said]) => {
    const row = stored.get(token);
    const ended = (row?.ended_at !== null) === (said.status === 'stop');
    return !(ended && row?.seconds === said.seconds && row?.up_bytes === said.up && row?.down_bytes === said.down);
  });
  expect(wrong).toEqual([]);
  expect(new Set([...stored.values()].map((row) => row.nas_address))).toEqual(new Set(['127.0.0.1']));
  const total = [...newest.values()].reduce((sum, said) => sum + said.up! + said.down!, 0);
  expect(await charged(db)).toBe(total);
  const [days] = await db.query<{ sum: number }>(
    `select (select coalesce(sum(up_bytes + down_bytes), 0) from usage_daily)::bigint +
              (select coalesce(sum(day_up + day_down), 0) from session)::bigint as sum`,
  );
  expect(days!.sum).toBe(total);
  expect(await db.query('select * from quarantine')).toEqual([]);
  console.log(`${acknowledged.length} records acknowledged over ${KILLS} kills, in ${newest.size} sessions`);
  expect(acknowledged.length).toBeGreaterThan(KILLS * LINES);
  fs.rmSync(dataDir, { recursive: true });
}, 240_000);

function* attributesOf(packet: Buffer): Generator<readonly [number, Buffer]> {
  for (let at = 20; at < packet.length; at += packet[at + 1]!) {
    yield [packet[at]!, packet.subarray(at + 2, at + packet[at + 1]!)];
  }
}
