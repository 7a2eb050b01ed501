import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LARGEST_BYTES, shotsOf } from '#test/world/screenshots-list';

const images = fileURLToPath(new URL('../../docs/images', import.meta.url));
const walled = { id: 2, portalId: '', address: '', order: '' };
const names = shotsOf({ covered: 1, walled, rejected: 3, differing: { id: 4, username: '' } }).map(({ name }) => name);

test('docs/images holds the pictures that npm run screenshots takes, and nothing else', () => {
  expect(readdirSync(images).sort()).toEqual(names.map((name) => `${name}.webp`).sort());
});

test.each(names)('the picture %s is a small WebP', (name) => {
  const octets = readFileSync(`${images}/${name}.webp`);
  expect(octets.toString('latin1', 0, 4) + octets.toString('latin1', 8, 12)).toBe('RIFFWEBP');
  expect(octets.length).toBeLessThan(LARGEST_BYTES);
});

test('the README shows pictures that are there', () => {
  const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const shown = [...readme.matchAll(/docs\/images\/([^\s)"'`]*)/g)]
    .map(([, file]) => file)
    .filter((file) => file !== '');
  expect(readdirSync(images)).toEqual(expect.arrayContaining(shown));
});
