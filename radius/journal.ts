import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { assert } from '#domain/assert';
import type { Instant } from '#domain/time';
import { ADDRESS_OCTETS } from '#radius/address';
import type { JournalPosition } from '#radius/journal-format';
import {
  BODY_PREFIX_LENGTH,
  crc32c,
  encodeSegmentHeader,
  MOST_BODY,
  NAS_ADDRESS_AT,
  NAS_ID_AT,
  parseSegmentHeader,
  RECEIVED_AT,
  RECORD_HEADER_LENGTH,
  SEGMENT_HEADER_LENGTH,
  segmentName,
  segmentNumbers,
} from '#radius/journal-format';

export type { JournalPosition } from '#radius/journal-format';
export type { JournalBatch, JournalEntry } from '#radius/journal-reader';
export { JournalReader, readJournal, removeApplied } from '#radius/journal-reader';

/**
 * The accounting journal's writing end: RFC 2866 section 2 forbids an Accounting-Response before the request is
 * recorded, and recorded here means "on disk after fdatasync".
 *
 * Group commit: `append` copies a record to memory and gives it a sequence number; once a turn of the event loop what
 * has gathered goes out in one write and one fdatasync, and `onDurable` says up to which number all is on disk. Only one
 * fdatasync is in flight; the next group gathers meanwhile. So a lone record waits for one fdatasync, and under load
 * the groups grow by themselves.
 *
 * When a write or fdatasync fails nothing more is acknowledged from that file, and its fdatasync is not tried again
 * (after a failed one Linux may have marked the lost pages clean, so the second would succeed falsely). A new segment is
 * begun, tried every 200 ms, and everything unacknowledged is written to it again. A record may thus be on disk twice; the
 * fold of usage takes the second for the duplicate it is. Meanwhile up to `pendingBytes` are kept in memory, beyond
 * that `append` refuses and the NAS asks again.
 *
 * A segment is never continued after a restart: each start begins the next number, so a half-written tail stays the
 * end of its file.
 */
export class Journal {
  /** The folder's id, 32 hex digits: the name under which the database keeps how far it is applied. */
  readonly id: string;
  readonly folder: string;
  readonly #fs: JournalFs;
  readonly #onDurable: (upTo: number) => void;
  readonly #onHealth: (healthy: boolean, error: Error | null) => void;
  readonly #segmentBytes: number;
  readonly #pendingBytes: number;

  /** What gathers for the next write, and what the write and fdatasync in flight are about; they swap roles. */
  #gathering: Buffer;
  #gathered = 0;
  #writing: Buffer;
  #written = 0;
  #nextSequence = 0;
  /** Sequence numbers below this are in `#writing` or durable. */
  #writingUpTo = 0;
  #durableUpTo = 0;

  #fd = -1;
  #segment: number;
  /** The highest number ever tried: a segment that could not be made is not tried again under its number. */
  #lastNumber: number;
  #size = 0;
  #durable: JournalPosition;
  /** The commit loop or the recovery that runs just now. */
  #running: Promise<void> | null = null;
  #scheduled = false;
  #healthy = true;
  #closing = false;
  #retry: NodeJS.Timeout | null = null;

  private constructor(folder: string, id: string, lastSegment: number, options: JournalOptions) {
    this.folder = folder;
    this.id = id;
    this.#segment = lastSegment;
    this.#lastNumber = lastSegment;
    this.#durable = { segment: lastSegment, offset: 0 };
    this.#fs = options.fs ?? nodeFs;
    this.#onDurable = options.onDurable;
    this.#onHealth = options.onHealth ?? (() => undefined);
    this.#segmentBytes = options.segmentBytes ?? 64 * 2 ** 20;
    this.#pendingBytes = options.pendingBytes ?? 32 * 2 ** 20;
    this.#gathering = Buffer.allocUnsafeSlow(256 * 1024);
    this.#writing = Buffer.allocUnsafeSlow(256 * 1024);
  }

  /**
   * Makes the folder if need be and begins a new segment. A full or broken disk does not make it fail: the journal is
   * then not `healthy` and recovers by itself. Throws when the folder cannot be made or read.
   */
  static async open(folder: string, options: JournalOptions): Promise<Journal> {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const numbers = segmentNumbers(fs.readdirSync(folder));
    const journal = new Journal(folder, journalIdOf(folder, numbers), numbers.at(-1) ?? 0, options);
    try {
      await journal.#beginSegment();
    } catch (error) {
      journal.#failed(error);
    }
    return journal;
  }

  /** Whether records reach the disk just now. */
  get healthy(): boolean {
    return this.#healthy;
  }

  /** Everything before this is on disk. */
  get durable(): JournalPosition {
    return this.#durable;
  }

  /** How many records wait for the disk. */
  get pending(): number {
    return this.#nextSequence - this.#durableUpTo;
  }

  /**
   * Takes a copy of `packet[0, length)` and of the 16 octets of the address it was sent from. The record's sequence number:
   * 0, 1, 2 … in the order of the calls, for `onDurable`. -1 when it was refused (closing, or the memory for records that
   * cannot reach the disk is full).
   */
  append(
    nasId: number,
    nasAddress: Uint8Array,
    receivedAt: Instant,
    packet: Buffer,
    length: number = packet.length,
  ): number {
    assert(nasAddress.length === ADDRESS_OCTETS, 'an address has 16 octets');
    const body = BODY_PREFIX_LENGTH + length;
    assert(body <= MOST_BODY, 'a RADIUS packet has at most 4096 octets');
    const end = this.#gathered + RECORD_HEADER_LENGTH + body;
    if (this.#closing || !this.#hasRoom(end)) return -1;
    const buffer = this.#gathering;
    const at = this.#gathered;
    buffer.writeUInt32LE(body, at);
    const bodyAt = at + RECORD_HEADER_LENGTH;
    buffer.writeDoubleLE(receivedAt, bodyAt + RECEIVED_AT);
    buffer.writeUInt32LE(nasId, bodyAt + NAS_ID_AT);
    for (let i = 0; i < ADDRESS_OCTETS; i += 1) buffer[bodyAt + NAS_ADDRESS_AT + i] = nasAddress[i]!;
    packet.copy(buffer, bodyAt + BODY_PREFIX_LENGTH, 0, length);
    buffer.writeUInt32LE(crc32c(buffer, bodyAt, end), at + 4);
    this.#gathered = end;
    this.#schedule();
    return this.#nextSequence++;
  }

  /** Takes no more, writes what is pending (unless the disk refuses), and closes the file. */
  async close(): Promise<void> {
    this.#closing = true;
    while (this.#running !== null || (this.#healthy && this.pending > 0)) {
      await (this.#running ?? this.#run(this.#commitAll));
    }
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#fd !== -1) await this.#fs.close(this.#fd);
    this.#fd = -1;
  }

  #hasRoom(end: number): boolean {
    if (end + this.#written > this.#pendingBytes) return false;
    if (end <= this.#gathering.length) return true;
    const grown = Buffer.allocUnsafeSlow(Math.max(end, this.#gathering.length * 2));
    this.#gathering.copy(grown, 0, 0, this.#gathered);
    this.#gathering = grown;
    return true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#running !== null || !this.#healthy) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#running === null && this.#healthy) void this.#run(this.#commitAll);
  };

  /** One thing at a time touches the file. */
  #run(work: () => Promise<void>): Promise<void> {
    assert(this.#running === null, 'the journal writes one thing at a time');
    this.#running = work().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Writes group after group until nothing is left or the disk fails. */
  readonly #commitAll = async (): Promise<void> => {
    while (this.#gathered > 0) {
      const before = this.#durableUpTo;
      try {
        await this.#commitGroup();
      } catch (error) {
        this.#failed(error);
        return;
      }
      this.#onDurable(this.#durableUpTo);
      if (this.#durableUpTo - before >= CROWD && !this.#closing) await pause(GATHER_MS);
    }
  };

  async #commitGroup(): Promise<void> {
    if (this.#size >= this.#segmentBytes) await this.#beginSegment();
    if (this.#written === 0) this.#swap();
    const length = this.#written;
    for (let done = 0; done < length; ) {
      done += await this.#fs.write(this.#fd, this.#writing, done, length - done, this.#size + done);
    }
    await this.#fs.fdatasync(this.#fd);
    this.#size += length;
    this.#written = 0;
    this.#durableUpTo = this.#writingUpTo;
    this.#durable = { segment: this.#segment, offset: this.#size };
  }

  #swap(): void {
    [this.#gathering, this.#writing] = [this.#writing, this.#gathering];
    this.#written = this.#gathered;
    this.#gathered = 0;
    this.#writingUpTo = this.#nextSequence;
  }

  /**
   * Makes the next segment. The header and the folder are synced before any record is written, so a segment whose
   * records can be read is there after a power cut as well and its number is never given again.
   */
  async #beginSegment(): Promise<void> {
    const previous = this.#fd;
    const segment = this.#lastNumber + 1;
    this.#lastNumber = segment;
    const path = join(this.folder, segmentName(segment));
    const fd = await this.#fs.create(path);
    try {
      const header = encodeSegmentHeader(this.id, segment);
      const written = await this.#fs.write(fd, header, 0, SEGMENT_HEADER_LENGTH, 0);
      if (written !== SEGMENT_HEADER_LENGTH) throw new Error(`short write of ${path}`);
      await this.#fs.fdatasync(fd);
      await this.#fs.syncFolder(this.folder);
    } catch (error) {
      await this.#fs.close(fd);
      await this.#fs.remove(path);
      throw error;
    }
    this.#segment = segment;
    this.#fd = fd;
    this.#size = SEGMENT_HEADER_LENGTH;
    this.#durable = { segment, offset: SEGMENT_HEADER_LENGTH };
    // Everything acknowledged from the previous file was synced before: a failing close loses nothing.
    if (previous !== -1) await this.#fs.close(previous).catch(() => undefined);
  }

  #failed(error: unknown): void {
    this.#setHealth(false, error instanceof Error ? error : new Error(String(error)));
    if (!this.#closing) this.#retry = setTimeout(() => void this.#run(this.#recover), RETRY_MS);
  }

  /** A new segment, then all that is unacknowledged; the file that failed is left as it is and closed. */
  readonly #recover = async (): Promise<void> => {
    this.#retry = null;
    try {
      await this.#beginSegment();
      if (this.#gathered > 0 || this.#written > 0) await this.#commitGroup();
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#setHealth(true, null);
    this.#onDurable(this.#durableUpTo);
    await this.#commitAll();
  };

  #setHealth(healthy: boolean, error: Error | null): void {
    if (healthy === this.#healthy) return;
    this.#healthy = healthy;
    this.#onHealth(healthy, error);
  }
}

export type JournalOptions = {
  /** All records with a sequence number below `upTo` are on disk: answer them, in order. */
  readonly onDurable: (upTo: number) => void;
  /** The disk stopped (with the error) or began again to take records. */
  readonly onHealth?: (healthy: boolean, error: Error | null) => void;
  /** Size at which the next segment is begun; 64 MiB if not given. */
  readonly segmentBytes?: number;
  /** Memory for records that wait for the disk; 32 MiB if not given. */
  readonly pendingBytes?: number;
  readonly fs?: JournalFs;
};

/** The little of a file system the journal writes through: an argument, so that a test can be a full or broken disk. */
export type JournalFs = {
  /** Fails when the file exists. */
  create(path: string): Promise<number>;
  write(fd: number, buffer: Buffer, from: number, length: number, position: number): Promise<number>;
  fdatasync(fd: number): Promise<void>;
  close(fd: number): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes the names in the folder durable (fsync of the directory). */
  syncFolder(path: string): Promise<void>;
};

/**
 * Under load the next group gathers this long before it is written: half as many fdatasyncs, each of which costs a switch of
 * threads and a journal entry of the file system. A group smaller than a crowd is never kept waiting.
 */
const CROWD = 64;
const GATHER_MS = 2;
const RETRY_MS = 200;

const openFile = promisify(fs.open);
const fdatasync = promisify(fs.fdatasync);
const fsync = promisify(fs.fsync);
const close = promisify(fs.close);
const unlink = promisify(fs.unlink);

export const nodeFs: JournalFs = {
  create: (path) => openFile(path, 'wx', 0o600),
  write: (fd, buffer, from, length, position) =>
    new Promise((resolve, reject) => {
      fs.write(fd, buffer, from, length, position, (error, written) => (error ? reject(error) : resolve(written)));
    }),
  fdatasync,
  close,
  remove: unlink,
  syncFolder: async (path) => {
    const fd = await openFile(path, 'r');
    try {
      await fsync(fd);
    } finally {
      await close(fd);
    }
  },
};

/** The id in the newest segment whose header can be read; a new one for an empty folder. */
function journalIdOf(folder: string, numbers: readonly number[]): string {
  for (const segment of numbers.toReversed()) {
    const fd = fs.openSync(join(folder, segmentName(segment)), 'r');
    try {
      const header = Buffer.alloc(SEGMENT_HEADER_LENGTH);
      const length = fs.readSync(fd, header, 0, SEGMENT_HEADER_LENGTH, 0);
      const parsed = parseSegmentHeader(header.subarray(0, length));
      if (parsed !== null) return parsed.journal;
    } finally {
      fs.closeSync(fd);
    }
  }
  return randomBytes(16).toString('hex');
}
