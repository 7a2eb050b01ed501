import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';

/**
 * The form of a backup: gzip over frames. A frame is one octet that says what it is, four octets of length, and so many
 * octets. Rows are PostgreSQL's own text form (COPY), which every version from 15 on reads, whatever machine wrote it.
 * Each table ends with its count and SHA-256, and the file with the SHA-256 of all before: what was cut short or altered
 * on a disk or on the way is noticed before anything is restored.
 */
export type BackupHeader = {
  readonly format: 1;
  readonly migrations: readonly string[];
  readonly installation: string;
  /** Milliseconds since the epoch: the instant of the snapshot, by the database's clock. */
  readonly takenAt: number;
};

export type BackupTable = {
  readonly table: string;
  readonly columns: readonly string[];
  readonly partitions: readonly { readonly name: string; readonly bound: string; readonly options: string }[];
};

export type BackupEnd = {
  /** The last number each sequence gave; null = none yet. */
  readonly sequences: Readonly<Record<string, number | null>>;
  readonly tables: number;
  readonly rows: number;
};

/** The file is no backup, is cut short, or was altered. */
export class BackupFault extends Error {
  override name = 'BackupFault';
}

const KIND = { header: 72, table: 84, data: 68, tableEnd: 69, end: 90, seal: 83 } as const; // H T D E Z S
const HEAD_LENGTH = 5;
const LONGEST_FRAME = 64 * 2 ** 20;
const MAGIC = 'gerbang backup';

/** Makes frames, and their sums as it goes. */
export class BackupFrames {
  readonly #all = createHash('sha256');
  #table = createHash('sha256');
  #octets = 0;

  header(header: BackupHeader): Buffer {
    return this.#json(KIND.header, { is: MAGIC, ...header });
  }

  table(table: BackupTable): Buffer {
    this.#table = createHash('sha256');
    this.#octets = 0;
    return this.#json(KIND.table, table);
  }

  data(rows: Buffer): Buffer {
    this.#table.update(rows);
    this.#octets += rows.length;
    return this.#frame(KIND.data, rows);
  }

  tableEnd(rows: number): Buffer {
    return this.#json(KIND.tableEnd, { rows, octets: this.#octets, sha256: this.#table.digest('hex') });
  }

  end(end: BackupEnd): Buffer {
    const last = this.#json(KIND.end, end);
    return Buffer.concat([last, framed(KIND.seal, this.#all.digest())]);
  }

  #json(kind: number, value: unknown): Buffer {
    return this.#frame(kind, Buffer.from(JSON.stringify(value)));
  }

  #frame(kind: number, payload: Buffer): Buffer {
    const frame = framed(kind, payload);
    this.#all.update(frame);
    return frame;
  }
}

function framed(kind: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_LENGTH);
  head.writeUInt8(kind);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

export type BackupPart =
  | { readonly is: 'header'; readonly header: BackupHeader }
  | { readonly is: 'table'; readonly table: BackupTable }
  | { readonly is: 'rows'; readonly rows: Buffer }
  | { readonly is: 'table-end'; readonly rows: number }
  | { readonly is: 'end'; readonly end: BackupEnd };

/**
 * Reads a backup from its beginning; sums are checked as they come, so only after `end` is the whole of it known to be
 * good. Throws `BackupFault`; what the file system says when the file cannot be read goes through.
 */
export async function* readBackup(file: string): AsyncGenerator<BackupPart> {
  const all = createHash('sha256');
  let table = createHash('sha256');
  let octets = 0;
  let inTable = false;
  let sealed = false;
  let ended = false;
  for await (const { kind, payload, frame } of frames(file)) {
    if (sealed) throw new BackupFault('there is more in it after its end');
    if (ended !== (kind === KIND.seal)) throw new BackupFault('it does not end as a backup does');
    if (kind === KIND.seal) {
      if (!all.digest().equals(payload)) throw new BackupFault('its checksum does not hold');
      sealed = true;
      continue;
    }
    all.update(frame);
    if (kind === KIND.data) {
      if (!inTable) throw new BackupFault('it has rows outside of a table');
      table.update(payload);
      octets += payload.length;
      yield { is: 'rows', rows: payload };
      continue;
    }
    const part = partOf(kind, payload);
    if (part.is === 'table') {
      table = createHash('sha256');
      octets = 0;
      inTable = true;
    } else if (part.is === 'table-end') {
      inTable = false;
      const said = JSON.parse(payload.toString()) as { octets: number; sha256: string };
      if (said.octets !== octets || said.sha256 !== table.digest('hex'))
        throw new BackupFault('the checksum of a table does not hold');
    } else if (part.is === 'end') ended = true;
    yield part;
  }
  if (!sealed) throw new BackupFault('it is cut short');
}

function partOf(kind: number, payload: Buffer): BackupPart {
  const value = parsed(payload);
  switch (kind) {
    case KIND.header:
      if (value.is !== MAGIC) break;
      if (value.format !== 1) throw new BackupFault(`its form ${String(value.format)} is of a newer Gerbang`);
      return { is: 'header', header: value as unknown as BackupHeader };
    case KIND.table:
      return { is: 'table', table: value as unknown as BackupTable };
    case KIND.tableEnd:
      return { is: 'table-end', rows: Number(value.rows) };
    case KIND.end:
      return { is: 'end', end: value as unknown as BackupEnd };
  }
  throw new BackupFault('it is no backup of Gerbang');
}

function parsed(payload: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(payload.toString()) as Record<string, unknown>;
  } catch (error) {
    throw new BackupFault('it is no backup of Gerbang', { cause: error });
  }
}

type Frame = { readonly kind: number; readonly payload: Buffer; readonly frame: Buffer };

async function* frames(file: string): AsyncGenerator<Frame> {
  let held: Buffer = Buffer.alloc(0);
  let first = true;
  for await (const chunk of unzipped(file)) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let at = 0;
    while (held.length - at >= HEAD_LENGTH) {
      const kind = held.readUInt8(at);
      const length = held.readUInt32BE(at + 1);
      if (first && kind !== KIND.header) throw new BackupFault('it is no backup of Gerbang');
      if (length > LONGEST_FRAME) throw new BackupFault('it is damaged');
      const end = at + HEAD_LENGTH + length;
      if (held.length < end) break;
      first = false;
      yield { kind, payload: held.subarray(at + HEAD_LENGTH, end), frame: held.subarray(at, end) };
      at = end;
    }
    held = held.subarray(at);
  }
  if (first) throw new BackupFault('it is no backup of Gerbang');
  if (held.length > 0) throw new BackupFault('it is cut short');
}

async function* unzipped(file: string): AsyncGenerator<Buffer> {
  const source = createReadStream(file);
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    throw faultOf(error);
  } finally {
    source.destroy();
  }
}

/** The codes of zlib: https://nodejs.org/api/zlib.html#constants (Z_BUF_ERROR: the stream ends before its end). */
function faultOf(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('Z_')) return error;
  return new BackupFault(code === 'Z_BUF_ERROR' ? 'it is cut short' : 'it is no backup of Gerbang, or it is damaged');
}
