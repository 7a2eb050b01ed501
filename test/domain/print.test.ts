import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRupiah, printRupiah } from '#domain/money';
import { parseBytes, parsePeriod, parseRate } from '#domain/parse';
import { printBps, printBytes, printPeriod, printRate } from '#domain/print';

describe('rates', () => {
  test.each([
    ['20M', 20_000_000],
    ['1.5M', 1_500_000],
    ['2.3M', 2_300_000],
    ['128k', 128_000],
    ['1G', 1_000_000_000],
    ['0.5g', 500_000_000],
    ['64000', 64_000],
    ['20 Mbps', 20_000_000],
    ['1,5M', 1_500_000],
  ])('%s is %d bits/s', (text, bps) => expect(parseRate(text)).toBe(bps));

  test.each([
    '',
    'M',
    '20MB',
    '-1M',
    '1e6',
    '0',
    '999',
    '1.5.5M',
    '20 M M',
    'Infinity',
    '9999999999999G',
    '0x10k',
    '1,500k',
  ])('%s is refused', (text) => expect(parseRate(text)).toBeNull());

  test('are read back as they were printed', () => {
    const bps = fc.oneof(
      fc.integer({ min: 1000, max: 2 ** 40 }),
      fc.integer({ min: 1, max: 99_999 }).map((k) => k * 1000),
    );
    fc.assert(
      fc.property(bps, (value) => {
        expect(parseRate(printBps(value))).toBe(value);
      }),
    );
    expect([1500, 2_345_000, 128_000, 1_500_000, 20_000_000, 1e9].map(printBps)).toEqual([
      '1.5k',
      '2.345M',
      '128k',
      '1.5M',
      '20M',
      '1G',
    ]);
  });

  test('read well', () => {
    const rate = { downloadBps: 20e6, uploadBps: 20e6, burst: null };
    const burst = { downloadBps: 4e7, uploadBps: 4e7, thresholdDownloadBps: 15e6, thresholdUploadBps: 5e6, seconds: 8 };
    expect(printRate(rate)).toBe('20 Mbps');
    expect(printRate({ ...rate, uploadBps: 1.5e6 })).toBe('20 Mbps down, 1,5 Mbps up');
    expect(printRate({ ...rate, burst })).toBe('20 Mbps, burst 40 Mbps below 15 Mbps down, 5 Mbps up for 8 s');
  });
});

describe('bytes', () => {
  test.each([
    ['20GB', 20_480 * 2 ** 20],
    ['1.5 GB', 1536 * 2 ** 20],
    ['500MB', 500 * 2 ** 20],
    ['2T', 2 * 2 ** 40],
    ['64k', 65_536],
    ['1000', 1000],
    ['12 b', 12],
  ])('%s is %d bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  test.each(['', 'GB', '0', '-1GB', '20GBps', '1e3', '9000TB9', '99999TB', '20 G B'])('%s is refused', (text) =>
    expect(parseBytes(text)).toBeNull(),
  );

  test('in whole units are read back as they were printed, others never too high', () => {
    const unit = fc.constantFrom(1, 2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1023 }), unit, (n, size) => {
        expect(parseBytes(printBytes(n * size).replace(' bytes', ''))).toBe(n * size);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (n) => {
        const back = parseBytes(printBytes(n).replace(' bytes', '')) ?? 0;
        expect(back).toBeLessThanOrEqual(n);
        expect(back).toBeGreaterThan(n * 0.98);
      }),
    );
    expect([0, 12, 1536 * 2 ** 20, 20 * 2 ** 30, 20 * 2 ** 30 - 1].map(printBytes)).toEqual([
      '0 bytes',
      '12 bytes',
      '1,5 GB',
      '20 GB',
      '19,99 GB',
    ]);
  });
});

describe('periods', () => {
  test('are read and printed', () => {
    for (const text of ['day', 'week', 'month', '30d', '3650d']) expect(printPeriod(parsePeriod(text)!)).toBe(text);
    for (const text of ['', '0d', '3651d', 'year', '1.5d', '-1d', '30']) expect(parsePeriod(text)).toBeNull();
    expect(parsePeriod('1d')).toEqual(parsePeriod('day'));
    expect(printPeriod({ months: 3 })).toBe('3 months');
  });
});

describe('rupiah', () => {
  test('are grouped by points after an ordinary space, and read back', () => {
    expect([0, 500, 75_000, 1_234_567, -75_000, 150_000n].map(printRupiah)).toEqual([
      'Rp 0',
      'Rp 500',
      'Rp 75.000',
      'Rp 1.234.567',
      '-Rp 75.000',
      'Rp 150.000',
    ]);
    fc.assert(
      fc.property(fc.maxSafeNat(), (amount) => {
        expect(parseRupiah(printRupiah(amount))).toBe(amount);
      }),
    );
    for (const text of ['75.00', '75,000', 'Rp', '-5', '7 5', '1.5', '']) expect(parseRupiah(text)).toBeNull();
  });
});
