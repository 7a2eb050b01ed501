import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPortal, type TestPortal } from '#test/portal/harness';

let pages: TestPortal;

beforeAll(async () => {
  pages = await startPortal();
});
afterAll(() => pages.stop());

/** Where a script says it imports from, whatever it looks like: addresses and bare names. */
const importsOf = (text: string): string[] =>
  [...text.matchAll(/^\s*(?:import|export)\s+(?:[\w*{][\w*{},$\s]*\sfrom\s*)?(['"])([^'"]+)\1;/gm)].map(
    ([, , from]) => from!,
  );

test('every import of the editor leads to a script of ours, kept by its content, and each is loaded once', async () => {
  const { assetOf } = await import('#portal/shared/render');
  const editor = assetOf('policy.js')!;
  const seen = new Set<string>();
  const open = [editor.url];
  for (let url = open.pop(); url !== undefined; url = open.pop()) {
    if (seen.has(url)) continue;
    seen.add(url);
    const answer = await fetch(pages.url + url);
    expect([url, answer.status]).toEqual([url, 200]);
    expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(answer.headers.get('cache-control')).toContain('immutable');
    const from = importsOf(await answer.text());
    expect(from.filter((one) => !/^\/assets\/[\w-]+\.js\?v=[\w-]{8}$/.test(one))).toEqual([]);
    open.push(...from);
  }
  // One state, one view: two copies of a package would not know each other's documents.
  const names = [...seen].map((url) => url.split('?')[0]);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('/assets/codemirror-view.js');
  expect([...seen].filter((url) => url !== editor.url).sort()).toEqual([...editor.imports].sort());
});
