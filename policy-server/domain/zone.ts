/**
 * Offsets of IANA zones as arithmetic: Intl is asked once for each stretch of time, and its answers are kept, because
 * one `formatToParts` costs microseconds and `decide` runs on the path of an Access-Request.
 */

/** A stretch of time over which the zone's offset is constant: `from` inclusive, `until` exclusive (maybe not maximal). */
export type OffsetSpan = { readonly offsetMs: number; readonly from: number; readonly until: number };

const HOUR = 3_600_000;
const CHUNK_MS = 32 * 24 * HOUR;
/** Chunks kept for one zone (32 days each, so about 90 years); past that the cache starts anew rather than grow. */
const MOST_CHUNKS = 1024;
/** Years 1900 to 9998: outside, the zone is taken to be as it is at the edge. */
const EARLIEST = Date.UTC(1900, 0, 1);
const LATEST = Date.UTC(9998, 0, 1);

type Zone = { readonly format: Intl.DateTimeFormat; readonly chunks: Map<number, readonly OffsetSpan[]> };
const zones = new Map<string, Zone>();

/** Whether the name is a zone this machine knows (`Asia/Jakarta`); bare offsets such as `+07:00` are not. */
export function isZone(name: string): boolean {
  if (zones.has(name)) return true;
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The stretch of constant offset around an instant, and that offset. Throws RangeError for a zone that does not exist. */
export function offsetSpan(at: number, zone: string): OffsetSpan {
  const known = zones.get(zone) ?? openZone(zone);
  const within = Math.min(Math.max(at, EARLIEST), LATEST);
  const chunk = Math.floor(within / CHUNK_MS);
  const spans = known.chunks.get(chunk) ?? fillChunk(known, chunk);
  for (const span of spans)
    if (within < span.until) return at === within ? span : { ...span, from: at, until: outer(at) };
  throw new RangeError(`no offset span of ${zone} around ${at}`);
}

/** Outside of the years we know the offset is constant up to their edge, or for ever. */
function outer(at: number): number {
  return at < EARLIEST ? EARLIEST : Number.POSITIVE_INFINITY;
}

function openZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const zone = { format, chunks: new Map() };
  zones.set(name, zone);
  return zone;
}

/** Looks at the chunk in steps of six hours and finds each change of offset to the millisecond. */
function fillChunk(zone: Zone, chunk: number): readonly OffsetSpan[] {
  const end = (chunk + 1) * CHUNK_MS;
  const spans: OffsetSpan[] = [];
  let from = chunk * CHUNK_MS;
  let offsetMs = askOffset(zone, from);
  for (let low = from; low < end; low += 6 * HOUR) {
    const high = low + 6 * HOUR;
    const next = askOffset(zone, high);
    if (next === offsetMs) continue;
    const change = firstInstantOf(zone, next, low, high);
    if (change < end) {
      spans.push({ offsetMs, from, until: change });
      from = change;
      offsetMs = next;
    }
  }
  spans.push({ offsetMs, from, until: end });
  if (zone.chunks.size >= MOST_CHUNKS) zone.chunks.clear();
  zone.chunks.set(chunk, spans);
  return spans;
}

function firstInstantOf(zone: Zone, offsetMs: number, low: number, high: number): number {
  let before = low;
  let after = high;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (askOffset(zone, middle) === offsetMs) after = middle;
    else before = middle;
  }
  return after;
}

function askOffset(zone: Zone, at: number): number {
  const part: Record<string, number> = {};
  for (const { type, value } of zone.format.formatToParts(at)) part[type] = Number(value);
  const local = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
  return local - Math.floor(at / 1000) * 1000;
}
