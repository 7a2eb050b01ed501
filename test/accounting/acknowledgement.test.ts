import type { RemoteInfo } from 'node:dgram';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Directory } from '#radius/directory';
import { Feed } from '#radius/feed';
import { Journal, readJournal } from '#radius/journal';
import { RadiusServer } from '#radius/server';
import { Disk } from '#test/accounting/disk';
import { accountingRequest, routerOs } from '#test/accounting/requests';

const FROM: RemoteInfo = { address: '10.0.0.1', port: 40_000, family: 'IPv4', size: 0 };
const SECRET = 'a-secret-nobody-guesses';

let folder: string;
let disk: Disk;
let journal: Journal;
let server: RadiusServer;
let replies: number[];

beforeEach(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'acknowledgement-'));
  disk = new Disk();
  replies = [];
  journal = await Journal.open(folder, { fs: disk, onDurable: (upTo) => server.durable(upTo) });
  server = new RadiusServer({
    directory: new Directory(),
    journal,
    events: new Feed(() => undefined),
    clock: Date.now,
    monotonicMs: () => performance.now(),
    onError: (error) => {
      throw error;
    },
  });
  server.setNases([
    {
      id: 1,
      name: 'a',
      tags: [],
      address: '10.0.0.1',
      secret: SECRET,
      messageAuthenticator: 'auto',
      messageAuthenticatorSeen: false,
      swapOctets: false,
    },
  ]);
});

afterEach(async () => {
  await journal.close();
  server.close();
  fs.rmSync(folder, { recursive: true });
});

const socket = { send: (octets: Uint8Array, offset: number) => void replies.push(octets[offset + 1]!) };
const heard = (packet: Buffer): void => server.accounting(packet, FROM, socket);
const request = (identifier: number): Buffer =>
  accountingRequest(routerOs({ seconds: identifier }), SECRET, identifier);

test('an Accounting-Response leaves after the record is on disk, not before', async () => {
  disk.hold();
  heard(request(1));
  heard(request(2));
  await expect.poll(() => disk.syncing).toBe(1);
  expect(replies).toEqual([]);
  disk.release();
  await expect.poll(() => replies).toEqual([1, 2]);
  expect([...readJournal(folder)]).toHaveLength(2);
});

test('C02: while the disk fails nothing is answered, however often it is asked; then all of it', async () => {
  disk.setBroken(true);
  for (let round = 0; round < 3; round += 1) for (let id = 0; id < 50; id += 1) heard(request(id));
  await expect.poll(() => journal.healthy).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(replies).toEqual([]);
  disk.setBroken(false);
  await expect.poll(() => replies).toHaveLength(50);
});

test('C01: a request signed with another secret, by nobody, or altered, is neither kept nor answered', async () => {
  const altered = request(2);
  altered[30]! ^= 1;
  const unsigned = request(3).fill(0, 4, 20);
  for (const packet of [accountingRequest(routerOs({}), 'another secret', 1), altered, unsigned]) heard(packet);
  heard(request(4));
  await expect.poll(() => replies).toEqual([4]);
  expect([...readJournal(folder)]).toHaveLength(1);
});

test('C04, C09: what cannot be used is kept and answered all the same', async () => {
  heard(accountingRequest([[40, 3]], SECRET, 1));
  heard(
    accountingRequest(
      [
        [40, 15],
        [44, 'x'],
      ],
      SECRET,
      2,
    ),
  );
  await expect.poll(() => replies).toEqual([1, 2]);
  expect([...readJournal(folder)]).toHaveLength(2);
});
