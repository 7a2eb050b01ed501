import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Instant } from '#domain/time';
import { printAddress } from '#radius/address';
import type { JournalPosition } from '#radius/journal-format';
import {
  BODY_PREFIX_LENGTH,
  MOST_BODY,
  NAS_ADDRESS_AT,
  NAS_ID_AT,
  parseSegmentHeader,
  RECEIVED_AT,
  RECORD_HEADER_LENGTH,
  recordEnd,
  SEGMENT_HEADER_LENGTH,
  segmentName,
  segmentNumbers,
} from '#radius/journal-format';

/** One record; `packet` is a view into the batch's own memory. */
export type JournalEntry = {
  readonly segment: number;
  readonly offset: number;
  readonly nasId: number;
  /** The address the packet was sent from. */
  readonly nasAddress: string;
  readonly receivedAt: Instant;
  readonly packet: Buffer;
};

/** Octets that should have been records and are not; `octets` holds at most the first 4096 of them. */
export type JournalDamage = JournalPosition & { readonly length: number; readonly octets: Buffer };

/** Records one after the other from `from` up to `to`, where the next batch begins. */
export type JournalBatch = {
  readonly from: JournalPosition;
  readonly to: JournalPosition;
  readonly entries: readonly JournalEntry[];
  readonly damage: readonly JournalDamage[];
};

const CHUNK = 2 ** 20;
const NOTHING = Buffer.alloc(0);

export const JOURNAL_START: JournalPosition = { segment: 0, offset: 0 };

/**
 * Follows a journal folder, which another thread or process may be writing to.
 *
 * A record that is cut short or wrong at the end of the newest segment is one that is being written, or was when the
 * machine stopped: the reader waits there. Once a newer segment exists the older is finished, and what is unreadable in
 * it is skipped to the next whole record: octets with no whole record after them are a torn tail (nothing there was
 * ever acknowledged), any others are damage and are reported in the batch.
 */
export class JournalReader {
  readonly folder: string;
  #position: JournalPosition;
  #fd = -1;
  #openSegment = -1;
  /** The journal's id; null until a segment's header could be read. */
  #id: string | null = null;
  tornOctets = 0;

  constructor(folder: string, from: JournalPosition = JOURNAL_START) {
    this.folder = folder;
    this.#position = from;
  }

  get position(): JournalPosition {
    return this.#position;
  }

  /** The folder's id as its first readable segment has it; null while there is none. */
  id(): string | null {
    for (const segment of this.#id === null ? this.segments() : []) {
      const header = this.#readHeader(segment);
      if (header !== null) {
        this.#id = header.journal;
        break;
      }
    }
    return this.#id;
  }

  /** Goes on from another position (the one the database holds). */
  seek(position: JournalPosition): void {
    this.#close();
    this.#position = position;
  }

  /** The segment numbers in the folder now, ascending. */
  segments(): number[] {
    return segmentNumbers(fs.readdirSync(this.folder));
  }

  /** How many octets are in the folder after the position: 0 = caught up. */
  behindOctets(): number {
    let behind = 0;
    for (const segment of this.segments()) {
      if (segment < this.#position.segment) continue;
      const size = fs.statSync(join(this.folder, segmentName(segment))).size;
      const from = segment === this.#position.segment ? this.#position.offset : 0;
      behind += Math.max(0, size - Math.max(from, SEGMENT_HEADER_LENGTH));
    }
    return behind;
  }

  close(): void {
    this.#close();
  }

  /** The next records, at most `most`; null when there is nothing more to read for now. */
  next(most: number): JournalBatch | null {
    const from = this.#position;
    const entries: JournalEntry[] = [];
    const damage: JournalDamage[] = [];
    while (entries.length < most) {
      // Asked before reading: with a newer segment there, what is read now is all this one will ever hold.
      const next = this.segments().find((segment) => segment > this.#position.segment);
      if (this.#readSegment(entries, damage, most, next !== undefined) || next === undefined) break;
      this.#close();
      this.#position = { segment: next, offset: 0 };
    }
    const moved = this.#position.segment !== from.segment || this.#position.offset !== from.offset;
    return moved ? { from, to: this.#position, entries, damage } : null;
  }

  /** Reads on in the segment of the position; true when `entries` is full, false at the segment's (present) end. */
  #readSegment(entries: JournalEntry[], damage: JournalDamage[], most: number, finished: boolean): boolean {
    const segment = this.#position.segment;
    if (!this.#open(segment)) return false;
    let offset = this.#position.offset;
    if (offset < SEGMENT_HEADER_LENGTH) {
      if (this.#readHeader(segment) === null && !finished) return false;
      offset = SEGMENT_HEADER_LENGTH;
    }
    for (let chunk = this.#read(offset); chunk.length > 0; chunk = this.#read(offset)) {
      const used = this.#takeRecords(chunk, segment, offset, entries, most);
      offset += used;
      this.#position = { segment, offset };
      if (entries.length >= most) return true;
      // A record is far shorter than a chunk: where none was taken, the first does not end, or is wrong.
      if (used > 0) continue;
      if (!finished) return false;
      offset = this.#skip(segment, offset, damage);
      this.#position = { segment, offset };
    }
    return false;
  }

  #takeRecords(chunk: Buffer, segment: number, offset: number, entries: JournalEntry[], most: number): number {
    let at = 0;
    while (entries.length < most) {
      const end = recordEnd(chunk, at, chunk.length);
      if (end === 'cut' || end === 'bad') break;
      const body = at + RECORD_HEADER_LENGTH;
      entries.push({
        segment,
        offset: offset + at,
        nasId: chunk.readUInt32LE(body + NAS_ID_AT),
        nasAddress: printAddress(chunk, body + NAS_ADDRESS_AT),
        receivedAt: chunk.readDoubleLE(body + RECEIVED_AT),
        packet: chunk.subarray(body + BODY_PREFIX_LENGTH, end),
      });
      at = end;
    }
    return at;
  }

  /** From a place where no whole record begins to the next where one does, or to the segment's end. */
  #skip(segment: number, from: number, damage: JournalDamage[]): number {
    const size = fs.fstatSync(this.#fd).size;
    for (let offset = from + 1; offset < size; ) {
      const chunk = this.#read(offset);
      const whole = size - offset <= chunk.length;
      const last = whole ? chunk.length : chunk.length - MOST_BODY - RECORD_HEADER_LENGTH;
      for (let at = 0; at < last; at += 1) {
        if (typeof recordEnd(chunk, at, chunk.length) !== 'number') continue;
        const length = offset + at - from;
        const octets = Buffer.alloc(Math.min(length, 4096));
        fs.readSync(this.#fd, octets, 0, octets.length, from);
        damage.push({ segment, offset: from, length, octets });
        return offset + at;
      }
      offset += last;
    }
    this.tornOctets += size - from;
    return size;
  }

  /** Up to 1 MiB at an offset of the open segment, in memory of its own (entries keep views of it). */
  #read(offset: number): Buffer {
    const left = fs.fstatSync(this.#fd).size - offset;
    if (left <= 0) return NOTHING;
    const chunk = Buffer.allocUnsafeSlow(Math.min(left, CHUNK));
    return chunk.subarray(0, fs.readSync(this.#fd, chunk, 0, chunk.length, offset));
  }

  #open(segment: number): boolean {
    if (this.#openSegment === segment) return true;
    this.#close();
    const path = join(this.folder, segmentName(segment));
    if (!fs.existsSync(path)) return false;
    this.#fd = fs.openSync(path, 'r');
    this.#openSegment = segment;
    return true;
  }

  #close(): void {
    if (this.#fd !== -1) fs.closeSync(this.#fd);
    this.#fd = -1;
    this.#openSegment = -1;
  }

  #readHeader(segment: number): { readonly journal: string; readonly segment: number } | null {
    if (!this.#open(segment)) return null;
    const header = Buffer.alloc(SEGMENT_HEADER_LENGTH);
    const length = fs.readSync(this.#fd, header, 0, SEGMENT_HEADER_LENGTH, 0);
    return parseSegmentHeader(header.subarray(0, length));
  }
}

/** Every record of a folder from a position on, to its present end; what is damaged is passed over. */
export function* readJournal(folder: string, from: JournalPosition = JOURNAL_START): Generator<JournalEntry> {
  const reader = new JournalReader(folder, from);
  try {
    for (let batch = reader.next(1000); batch !== null; batch = reader.next(1000)) yield* batch.entries;
  } finally {
    reader.close();
  }
}

/**
 * Deletes the segments that lie wholly before `applied`, but for the newest `keep` of them. The segment of `applied`
 * itself always stays, so a number is never given twice. Returns how many were deleted.
 */
export function removeApplied(folder: string, applied: JournalPosition, keep: number): number {
  const before = segmentNumbers(fs.readdirSync(folder)).filter((segment) => segment < applied.segment);
  const old = before.slice(0, Math.max(0, before.length - keep));
  for (const segment of old) fs.unlinkSync(join(folder, segmentName(segment)));
  return old.length;
}
