/** Instants, volumes and speeds as subscribers read them: in their language and the company's zone, 24 hours, decimal comma in both. */
import { FARTHEST, type Instant, wallClock, zoneOffsetMs } from '#domain/time';

export const LANGUAGES = ['id', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

const MONTHS: Readonly<Record<Language, readonly string[]>> = {
  id: ['Jan', 'Feb', 'Mar', 'Apr', 'Mei', 'Jun', 'Jul', 'Agu', 'Sep', 'Okt', 'Nov', 'Des'],
  en: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
};

const NO_END: Readonly<Record<Language, string>> = { id: 'tanpa batas', en: 'no end' };

/** Names of the Indonesian zones; any other zone is printed by its offset. */
const ZONE_NAMES: Readonly<Record<string, string>> = {
  'Asia/Jakarta': 'WIB',
  'Asia/Pontianak': 'WIB',
  'Asia/Makassar': 'WITA',
  'Asia/Ujung_Pandang': 'WITA',
  'Asia/Jayapura': 'WIT',
};

/** `20 Nov 2026 18.00 WIB`; `tanpa batas` for what never comes. To the minute. */
export function printLocalDateTime(at: Instant, zone: string, language: Language): string {
  if (Math.abs(at) > FARTHEST) return NO_END[language];
  const { hour, minute } = wallClock(at, zone);
  return `${printLocalDate(at, zone, language)} ${two(hour)}.${two(minute)} ${zoneName(at, zone)}`;
}

/** `20 Nov 2026`, the day that the zone's calendar shows. */
export function printLocalDate(at: Instant, zone: string, language: Language): string {
  if (Math.abs(at) > FARTHEST) return NO_END[language];
  const { year, month, day } = wallClock(at, zone);
  return `${day} ${MONTHS[language][month - 1]} ${year}`;
}

/** `WIB`, `WITA`, `WIT`, or `UTC+08:00` for a zone without a name of its own. */
export function zoneName(at: Instant, zone: string): string {
  const known = ZONE_NAMES[zone];
  if (known !== undefined) return known;
  const minutes = Math.round(zoneOffsetMs(at, zone) / 60_000);
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`;
}

/** Units of 2^10, at most two decimals, never rounded up: `20 GB`, `1,5 GB`, `640 MB`, `12 byte`. */
export function printLocalBytes(bytes: number, language: Language): string {
  return printInByteUnits(bytes) ?? `${bytes} ${language === 'id' || bytes === 1 ? 'byte' : 'bytes'}`;
}

/** The same from 1 KB on; null below, where each reader has a word of its own for bytes. */
export function printInByteUnits(bytes: number): string | null {
  for (const [unit, size] of [
    ['TB', 2 ** 40],
    ['GB', 2 ** 30],
    ['MB', 2 ** 20],
    ['KB', 2 ** 10],
  ] as const) {
    if (bytes >= size) return `${String(Math.floor((bytes / size) * 100) / 100).replace('.', ',')} ${unit}`;
  }
  return null;
}

/** `20 Mbps`, `1,5 Mbps`, `128 kbps`: units of 1000, at most two decimals, never rounded up. The same in both languages. */
export function printLocalRate(bps: number, _language: Language): string {
  for (const [unit, size] of [
    ['Gbps', 1e9],
    ['Mbps', 1e6],
    ['kbps', 1e3],
  ] as const) {
    if (bps >= size) return `${String(Math.floor((bps / size) * 100) / 100).replace('.', ',')} ${unit}`;
  }
  return `${bps} bps`;
}

const two = (value: number): string => String(value).padStart(2, '0');
