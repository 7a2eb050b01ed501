import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { octetsOf, parseAddress, printAddress } from '#radius/address';
import type { JournalOptions } from '#radius/journal';
import { Journal, JournalReader, readJournal, removeApplied } from '#radius/journal';
import { crc32c } from '#radius/journal-format';
import { Disk } from '#test/accounting/disk';

let folder: string;
let open: Journal[];

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'journal-'));
  open = [];
});

afterEach(async () => {
  for (const journal of open) await journal.close();
  fs.rmSync(folder, { recursive: true });
});

async function opened(options: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = await Journal.open(folder, { onDurable: () => undefined, ...options });
  open.push(journal);
  return journal;
}

const address = (text: string): Buffer => octetsOf(parseAddress(text)!);
const ROUTER = address('10.0.0.1');

/** A packet of its own for each number, of differing lengths. */
const packet = (n: number): Buffer => {
  const octets = Buffer.alloc(20 + ((n * 37) % 300), n & 255);
  octets.writeUInt32BE(n, 0);
  return octets;
};

const numbersIn = (from?: Parameters<typeof readJournal>[1]): number[] =>
  [...readJournal(folder, from)].map((entry) => entry.packet.readUInt32BE(0));

const segments = (): string[] => fs.readdirSync(folder).sort();

/** Appends and waits until all is on disk. */
async function written(journal: Journal, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) journal.append(1, ROUTER, 1000 + n, packet(n));
  await expect.poll(() => journal.pending).toBe(0);
}

test('CRC-32C of "123456789" is e3069283', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9).toString(16)).toBe('e3069283');
});

test.each([
  ['10.1.0.5', '10.1.0.5'],
  ['::ffff:10.1.0.5', '10.1.0.5'],
  ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::1', '::1'],
  ['2001:db8::', '2001:db8::'],
  ['1:2:3:0:5:6:7:8', '1:2:3:0:5:6:7:8'],
])('an address is printed in one way, however it was written: %s is %s', (written, printed) => {
  expect(printAddress(Buffer.concat([Buffer.alloc(3), address(written)]), 3)).toBe(printed);
});

describe('writing', () => {
  test('what was appended is read back: packet, NAS, the address it sent from, time of arrival, in order', async () => {
    const journal = await opened();
    journal.append(7, address('10.1.0.5'), 1_763_000_000_123, packet(5));
    journal.append(
      8,
      address('2001:db8::ffff:0:5'),
      1_763_000_000_124,
      Buffer.concat([packet(6), Buffer.alloc(50)]),
      packet(6).length,
    );
    await expect.poll(() => journal.pending).toBe(0);
    const entries = [...readJournal(folder)];
    expect(entries.map(({ nasId, nasAddress, receivedAt }) => [nasId, nasAddress, receivedAt])).toEqual([
      [7, '10.1.0.5', 1_763_000_000_123],
      [8, '2001:db8::ffff:0:5', 1_763_000_000_124],
    ]);
    expect(entries.map((entry) => entry.packet.equals(packet(entry.packet.readUInt32BE(0))))).toEqual([true, true]);
  });

  test('records of one turn go out in one write, one fdatasync at a time, acknowledged in order after it', async () => {
    const disk = new Disk();
    const durable: number[] = [];
    const journal = await opened({ fs: disk, onDurable: (upTo) => durable.push(upTo) });
    const before = disk.writes;
    disk.hold();
    for (let n = 0; n < 100; n += 1) expect(journal.append(1, ROUTER, n, packet(n))).toBe(n);
    await expect.poll(() => disk.syncing).toBe(1);
    for (let n = 100; n < 150; n += 1) journal.append(1, ROUTER, n, packet(n));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([durable, disk.writes - before]).toEqual([[], 1]);
    disk.release();
    await expect.poll(() => journal.pending).toBe(0);
    expect([durable, disk.writes - before, disk.mostSyncing]).toEqual([[100, 150], 2, 1]);
  });

  test('a full segment is followed by the next; the folder is synced before a record goes into it', async () => {
    const disk = new Disk();
    const journal = await opened({ fs: disk, segmentBytes: 2000 });
    for (let n = 0; n < 60; n += 10) await written(journal, n, n + 10);
    expect(segments().length).toBeGreaterThan(2);
    expect(disk.syncedFolders).toHaveLength(segments().length);
    expect(numbersIn()).toEqual(Array.from({ length: 60 }, (_, n) => n));
  });

  test('each start begins a new segment, under the same id; numbers are never given twice', async () => {
    const first = await opened();
    await written(first, 0, 3);
    await first.close();
    const second = await opened();
    await written(second, 3, 5);
    expect(second.id).toBe(first.id);
    expect(second.durable.segment).toBe(2);
    expect(removeApplied(folder, second.durable, 0)).toBe(1);
    await second.close();
    expect((await opened()).durable.segment).toBe(3);
    expect(numbersIn()).toEqual([3, 4]);
  });

  test('closing writes what is pending, and takes no more', async () => {
    const durable: number[] = [];
    const journal = await opened({ onDurable: (upTo) => durable.push(upTo) });
    journal.append(1, ROUTER, 1, packet(1));
    const closed = journal.close();
    expect(journal.append(1, ROUTER, 2, packet(2))).toBe(-1);
    await closed;
    expect(durable).toEqual([1]);
  });
});

describe('a disk that fails', () => {
  test.each([
    ['ENOSPC in the middle of a write', (disk: Disk) => disk.setRoom(700), (disk: Disk) => disk.setRoom(1e9)],
    ['EIO at fdatasync', (disk: Disk) => disk.setBroken(true), (disk: Disk) => disk.setBroken(false)],
  ])(
    '%s: nothing is acknowledged until it recovers by itself, then everything, once and in order',
    async (_, fail, mend) => {
      const disk = new Disk();
      const durable: number[] = [];
      const health: boolean[] = [];
      const journal = await opened({
        fs: disk,
        onDurable: (upTo) => durable.push(upTo),
        onHealth: (h) => health.push(h),
      });
      await written(journal, 0, 5);
      fail(disk);
      for (let n = 5; n < 20; n += 1) journal.append(1, ROUTER, 1000 + n, packet(n));
      await expect.poll(() => journal.healthy).toBe(false);
      const synced = disk.synced.length;
      for (let n = 20; n < 25; n += 1) expect(journal.append(1, ROUTER, 1000 + n, packet(n))).toBe(n);
      await new Promise((resolve) => setTimeout(resolve, 450));
      expect(durable.at(-1)).toBe(5);
      expect(journal.pending).toBe(20);
      mend(disk);
      await expect.poll(() => journal.pending).toBe(0);
      expect([durable.at(-1), health]).toEqual([25, [false, true]]);
      expect(disk.synced.length).toBeGreaterThan(synced);
      const read = numbersIn();
      expect(read.slice(-20)).toEqual(Array.from({ length: 20 }, (__, n) => n + 5));
      expect(new Set(read).size).toBe(25);
    },
  );

  test('the file whose fdatasync failed is never synced again', async () => {
    const disk = new Disk();
    const journal = await opened({ fs: disk });
    const asked: number[] = [];
    const real = disk.fdatasync.bind(disk);
    disk.fdatasync = (fd) => {
      asked.push(fs.fstatSync(fd).ino);
      return real(fd);
    };
    disk.setBroken(true);
    journal.append(1, ROUTER, 1, packet(1));
    await expect.poll(() => journal.healthy).toBe(false);
    const failed = asked.at(-1)!;
    disk.setBroken(false);
    await expect.poll(() => journal.healthy).toBe(true);
    expect(asked.filter((ino) => ino === failed)).toHaveLength(1);
  });

  test('memory for what cannot be written is bounded: beyond it records are refused, and taken again later', async () => {
    const disk = new Disk();
    const journal = await opened({ fs: disk, pendingBytes: 600_000 });
    disk.setBroken(true);
    let refused = 0;
    for (let n = 0; n < 5000; n += 1) if (journal.append(1, ROUTER, n, packet(n)) === -1) refused += 1;
    expect(refused).toBeGreaterThan(1000);
    await expect.poll(() => journal.healthy).toBe(false);
    disk.setBroken(false);
    await expect.poll(() => journal.pending).toBe(0);
    expect(journal.append(1, ROUTER, 1, packet(1))).toBe(5000 - refused);
  });

  test('a disk full at the start does not keep the server from starting', async () => {
    const disk = new Disk();
    disk.setRoom(0);
    const journal = await opened({ fs: disk });
    expect(journal.healthy).toBe(false);
    journal.append(1, ROUTER, 1, packet(1));
    disk.setRoom(1e9);
    await expect.poll(() => journal.pending).toBe(0);
    expect(numbersIn()).toEqual([1]);
  });
});

describe('reading', () => {
  test('a reader follows a journal that grows, across segments', async () => {
    const journal = await opened({ segmentBytes: 3000 });
    const reader = new JournalReader(folder);
    const read: number[] = [];
    for (let n = 0; n < 100; n += 7) {
      await written(journal, n, Math.min(n + 7, 100));
      for (let batch = reader.next(5); batch !== null; batch = reader.next(5)) {
        read.push(...batch.entries.map((entry) => entry.packet.readUInt32BE(0)));
      }
      expect(reader.behindOctets()).toBe(0);
    }
    reader.close();
    expect(read).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });

  test('batches join without a gap: each begins where the one before ended, and any can be begun again', async () => {
    await written(await opened({ segmentBytes: 3000 }), 0, 50);
    const reader = new JournalReader(folder);
    for (let at = reader.position, batch = reader.next(7); batch !== null; batch = reader.next(7)) {
      expect(batch.from).toEqual(at);
      const again = new JournalReader(folder, batch.from);
      expect(again.next(7)?.entries.map((e) => e.offset)).toEqual(batch.entries.map((e) => e.offset));
      again.close();
      at = batch.to;
    }
    reader.close();
  });

  test('a tail torn at any octet of the last record loses that record and no other; the next start goes on', async () => {
    const journal = await opened();
    await written(journal, 0, 9);
    const whole = journal.durable.offset;
    await written(journal, 9, 10);
    await journal.close();
    const path = join(folder, segments()[0]!);
    const octets = fs.readFileSync(path);
    for (let length = whole; length < octets.length; length += 1) {
      fs.writeFileSync(path, octets.subarray(0, length));
      const reader = new JournalReader(folder);
      const batch = reader.next(100)!;
      expect([batch.entries.length, batch.to.offset, reader.next(100)]).toEqual([9, whole, null]);
      reader.close();
    }
    fs.writeFileSync(path, octets.subarray(0, whole + 15));
    await written(await opened(), 20, 22);
    const reader = new JournalReader(folder);
    const batch = reader.next(100)!;
    expect([batch.entries.length, batch.damage, reader.tornOctets]).toEqual([11, [], 15]);
    reader.close();
  });

  test('octets damaged inside a segment cost the records they hit: what follows is read, the damage is reported', async () => {
    const journal = await opened();
    await written(journal, 0, 100);
    await journal.close();
    await written(await opened(), 100, 101);
    const path = join(folder, segments()[0]!);
    const octets = fs.readFileSync(path);
    const starts = [...readJournal(folder)].map((entry) => entry.offset);
    fc.assert(
      fc.property(fc.integer({ min: 32, max: octets.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const damaged = Buffer.from(octets);
        damaged[at]! ^= by;
        fs.writeFileSync(path, damaged);
        const hit = starts.slice(0, 100).findLastIndex((start) => start <= at);
        const reader = new JournalReader(folder);
        const batch = reader.next(1000)!;
        reader.close();
        expect(batch.entries.map((e) => e.packet.readUInt32BE(0))).toEqual(
          Array.from({ length: 101 }, (_, n) => n).filter((n) => n !== hit),
        );
        if (hit < 99) expect(batch.damage).toMatchObject([{ segment: 1, offset: starts[hit] }]);
      }),
      { numRuns: 200 },
    );
  });

  test('a header that cannot be read does not hide the records behind it', async () => {
    const journal = await opened();
    await written(journal, 0, 3);
    await journal.close();
    await written(await opened(), 3, 5);
    const path = join(folder, segments()[0]!);
    const octets = fs.readFileSync(path);
    octets[5]! ^= 1;
    fs.writeFileSync(path, octets);
    expect(numbersIn()).toEqual([0, 1, 2, 3, 4]);
    expect(new JournalReader(folder).id()).toBe(journal.id);
  });
});
