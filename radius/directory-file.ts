import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Facts } from '#domain/facts';
import type { Plan } from '#domain/plan';
import type { DirectoryEntry, Line } from '#radius/directory';
import { PlanShelf, packFacts, unpackFacts } from '#radius/packed-facts';

/**
 * The directory on disk, so that a node which starts while the database is away still answers those it knew. It holds
 * passwords and therefore only ever exists sealed: `seal` and `open` are the master key's (AES-256-GCM).
 *
 * A file is a row of chunks, each `length (4 octets, little-endian) + sealed`; a chunk, opened, is lines of JSON: a
 * head with the format's number and the plans its grants name, then a line for each subscriber. Chunks stand alone,
 * and of two entries for a subscriber the higher version counts, so changes may be appended as further chunks. The place of a
 * chunk is part of what is sealed: one moved from elsewhere does not open. A file that ends early is good up to there.
 */

const FORMAT = 1;
/** Some 250 kB, which seals in a millisecond. */
export const ENTRIES_PER_CHUNK = 1000;

type Head = readonly [format: number, plans: readonly Plan[]];
type Row = readonly [id: number, username: string, version: number, password: string, line: Line, packed: string];

/** One chunk, not sealed yet. */
export function encodeChunk(entries: readonly DirectoryEntry[]): Buffer {
  const plans = new PlanShelf();
  const rows = entries.map(({ facts, password, line }) => {
    const packed = packFacts(facts, plans);
    const row: Row = [facts.subscriberId, facts.username, facts.version, password, line, packed];
    return JSON.stringify(row);
  });
  const head: Head = [FORMAT, plans.all()];
  return Buffer.from([JSON.stringify(head), ...rows].join('\n'));
}

/** The entries of an opened chunk. Throws when it is of another format: then the file is of no use, and no harm. */
export function decodeChunk(chunk: Uint8Array): DirectoryEntry[] {
  const [first = '', ...lines] = Buffer.from(chunk).toString().split('\n');
  const [format, plans] = JSON.parse(first) as Head;
  if (format !== FORMAT)
    throw new Error(`the directory's copy on disk has format ${format}, this program reads ${FORMAT}`);
  const shelf = new PlanShelf();
  for (const plan of plans) shelf.put(plan);
  return lines.map((text) => {
    const [subscriberId, username, version, password, line, packed] = JSON.parse(text) as Row;
    const facts: Facts = { subscriberId, username, version, nas: null, ...unpackFacts(packed, shelf) };
    return { facts, password, line };
  });
}

export type Seal = (plain: Buffer, boundTo: string) => Uint8Array;
export type Unseal = (sealed: Buffer, boundTo: string) => Uint8Array;

/** Writes the chunks to `path` (mode 0600): whole or not at all, and on disk when it resolves. */
export async function writeDirectoryFile(path: string, chunks: AsyncIterable<Uint8Array>, seal: Seal): Promise<void> {
  const unfinished = `${path}.new`;
  const file = await open(unfinished, 'w', 0o600);
  try {
    let place = 0;
    for await (const chunk of chunks) {
      const sealed = seal(Buffer.from(chunk), placeOf(place));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(sealed.length);
      await file.appendFile(Buffer.concat([length, sealed]));
      place += 1;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  const folder = await open(dirname(path));
  await folder.sync().finally(() => folder.close());
}

/**
 * The opened chunks of a file, in order; none when there is no such file. Throws what `unseal` throws (another key, an
 * altered file) at that chunk: those before it are good.
 */
export async function* readDirectoryFile(path: string, unseal: Unseal): AsyncGenerator<Uint8Array> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
  let place = 0;
  for (let at = 0; at + 4 <= bytes.length; place += 1) {
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) return;
    yield unseal(bytes.subarray(at + 4, end), placeOf(place));
    at = end;
  }
}

function placeOf(chunk: number): string {
  return `directory:${chunk}`;
}
