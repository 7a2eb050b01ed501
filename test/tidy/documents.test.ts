import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { files, root, type Source, source } from '#test/tidy/source';

const rooms = [
  'radius',
  'freeradius-config',
  'portal',
  'migrations',
  'test',
  ...readdirSync(join(root, 'policy-server'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(root, 'policy-server', entry.name)).length > 0)
    .map((entry) => `policy-server/${entry.name}`)
    .filter((room) => room !== 'policy-server/cli'),
];

const ROOM_PAGE_LINES = 60;

test.each(rooms)('the room %s has a README under a page', (room) => {
  const readme = join(root, room, 'README.md');
  expect(existsSync(readme), `${room}/README.md is missing`).toBe(true);
  expect(readFileSync(readme, 'utf8').split('\n').length).toBeLessThanOrEqual(ROOM_PAGE_LINES + 1);
});

/** Links of a page that lead nowhere. */
function brokenLinks(page: Source): string[] {
  return [...page.text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link as string)
    .filter((link) => !/^(https?:|mailto:)/.test(link))
    .filter((link) => {
      const [path, anchor] = link.split('#') as [string, string | undefined];
      const to = path === '' ? page.path : normalize(join(dirname(page.path), path));
      if (path !== '' && !existsSync(join(root, to))) return true;
      return (
        anchor !== undefined && !anchors(path === '' ? page.text : readFileSync(join(root, to), 'utf8')).has(anchor)
      );
    })
    .map((link) => `${page.path} links to ${link}`);
}

/** The anchors a Markdown page offers, as the usual renderers make them. */
function anchors(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      (heading as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  );
}

const pages = files('.md');

test('every link in the documents leads somewhere', () => {
  expect(pages.flatMap(brokenLinks)).toEqual([]);
  const lost = source('docs/x.md', '[a](nowhere.md) [b](#no-such) [c](../README.md#no-such)\n# A heading');
  expect(brokenLinks(lost)).toHaveLength(3);
  expect(brokenLinks(source('docs/x.md', '[a](#a-heading) [b](../README.md)\n# A heading'))).toEqual([]);
});

/** `npm run …` in a page that package.json does not know. */
function unknownCommands(page: Source): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  return [...page.text.matchAll(/npm run (?:-s |--silent )?([\w:-]+)/g)]
    .map(([, name]) => name as string)
    .filter((name) => !(name in scripts))
    .map((name) => `${page.path} says npm run ${name}`);
}

test('every npm command in the documents exists', () => {
  expect(pages.flatMap(unknownCommands)).toEqual([]);
  expect(unknownCommands(source('README.md', 'npm run -s gerbang\nnpm run shine'))).toEqual([
    'README.md says npm run shine',
  ]);
});

test('every path the README names in `code` that looks like a file of ours exists', () => {
  const readme = pages.find(({ path }) => path === 'README.md') as Source;
  const named = [
    ...readme.text.matchAll(/`((?:policy-server|radius|test|migrations|portal|docs|freeradius-config)\/[\w./-]*)`/g),
  ];
  const missing = named.map(([, path]) => path as string).filter((path) => !existsSync(join(root, path)));
  expect(named.length).toBeGreaterThan(5);
  expect(missing).toEqual([]);
});

test('the documents name no path of one machine', () => {
  expect(
    pages.filter(({ text }) => /(^|[\s`"'(])\/(work|home\/\w+|Users)\//m.test(text)).map(({ path }) => path),
  ).toEqual([]);
});
