import { expect, test } from 'vitest';
import { printLocalBytes, printLocalDate, printLocalDateTime, printLocalRate } from '#domain/print-local';
import { NEVER } from '#domain/time';

const at = Date.parse('2026-08-20T11:05:30Z');

test.each([
  ['Asia/Jakarta', '20 Agu 2026 18.05 WIB', '20 Aug 2026 18.05 WIB'],
  ['Asia/Makassar', '20 Agu 2026 19.05 WITA', '20 Aug 2026 19.05 WITA'],
  ['Asia/Jayapura', '20 Agu 2026 20.05 WIT', '20 Aug 2026 20.05 WIT'],
  ['Asia/Kolkata', '20 Agu 2026 16.35 UTC+05:30', '20 Aug 2026 16.35 UTC+05:30'],
])('an instant in %s', (zone, id, en) => {
  expect(printLocalDateTime(at, zone, 'id')).toBe(id);
  expect(printLocalDateTime(at, zone, 'en')).toBe(en);
});

test('every month has its Indonesian name', () => {
  const months = Array.from({ length: 12 }, (_, month) =>
    printLocalDate(Date.UTC(2026, month, 15), 'Asia/Jakarta', 'id'),
  );
  expect(months.map((text) => text.split(' ')[1])).toEqual([
    'Jan',
    'Feb',
    'Mar',
    'Apr',
    'Mei',
    'Jun',
    'Jul',
    'Agu',
    'Sep',
    'Okt',
    'Nov',
    'Des',
  ]);
});

test('a date is the one of the zone’s calendar', () => {
  const evening = Date.parse('2026-12-31T17:30:00Z');
  expect(printLocalDate(evening, 'Asia/Jakarta', 'id')).toBe('1 Jan 2027');
  expect(printLocalDate(evening - 31 * 60_000, 'Asia/Jakarta', 'id')).toBe('31 Des 2026');
});

test('what never ends has no date', () => {
  expect(printLocalDateTime(NEVER, 'Asia/Jakarta', 'id')).toBe('tanpa batas');
  expect(printLocalDate(NEVER, 'Asia/Jakarta', 'en')).toBe('no end');
});

test.each([
  [0, '0 byte', '0 bytes'],
  [1, '1 byte', '1 byte'],
  [1023, '1023 byte', '1023 bytes'],
  [640 * 2 ** 20, '640 MB', '640 MB'],
  [1.5 * 2 ** 30, '1,5 GB', '1,5 GB'],
  [20 * 2 ** 30 - 1, '19,99 GB', '19,99 GB'],
  [20 * 2 ** 30, '20 GB', '20 GB'],
  [2 ** 41, '2 TB', '2 TB'],
])('%i octets', (octets, id, en) => {
  expect(printLocalBytes(octets, 'id')).toBe(id);
  expect(printLocalBytes(octets, 'en')).toBe(en);
});

test.each([
  [20e6, '20 Mbps'],
  [1.5e6, '1,5 Mbps'],
  [128e3, '128 kbps'],
  [1e9, '1 Gbps'],
  [512, '512 bps'],
])('%i bits a second', (bps, text) => {
  expect(printLocalRate(bps, 'id')).toBe(text);
  expect(printLocalRate(bps, 'en')).toBe(text);
});
