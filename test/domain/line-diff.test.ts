import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diffHunks, lineDiff } from '#domain/line-diff';

const SIGNS = { same: ' ', added: '+', removed: '-' } as const;
const shown = (before: string, after: string) => lineDiff(before, after).map(({ is, text }) => SIGNS[is] + text);

test('what was removed stands before what was added, and what is the same around them', () => {
  expect(shown('a\nb\nc\n', 'a\nx\nc\n')).toEqual([' a', '-b', '+x', ' c']);
  expect(shown('', 'a\n')).toEqual(['+a']);
  expect(shown('a\r\nb', 'a\nb\n')).toEqual([' a', ' b']);
});

const texts = fc.array(fc.constantFrom('a', 'b', 'c', '', '  d'), { maxLength: 14 }).map((lines) => lines.join('\n'));

test('gives both texts back, with their numbers, and changes no line that could have stayed', () => {
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const lines = lineDiff(before, after);
      const side = (other: 'added' | 'removed', number: 'before' | 'after') => {
        const kept = lines.filter(({ is }) => is !== other);
        expect(kept.map((line) => line[number])).toEqual(kept.map((_, at) => at + 1));
        return kept.map(({ text }) => text).join('\n');
      };
      expect(side('added', 'before')).toBe(before.replace(/\n$/, ''));
      expect(side('removed', 'after')).toBe(after.replace(/\n$/, ''));
      expect(lines.filter(({ is }) => is === 'same')).toHaveLength(longestCommon(before, after));
    }),
  );
});

/** The plain definition, on texts as they are split above. */
function longestCommon(before: string, after: string): number {
  const [one, other] = [before, after].map((text) => (text === '' ? [] : text.replace(/\n$/, '').split('\n')));
  const of = (i: number, j: number): number => {
    if (i === one!.length || j === other!.length) return 0;
    return one![i] === other![j] ? 1 + of(i + 1, j + 1) : Math.max(of(i + 1, j), of(i, j + 1));
  };
  return of(0, 0);
}

test('far from a change lines are only counted', () => {
  const many = Array.from({ length: 20 }, (_, at) => `line ${at}`);
  const hunks = diffHunks(lineDiff(many.join('\n'), many.with(10, 'other').join('\n')), 2);
  expect(hunks.map((hunk) => ('skipped' in hunk ? hunk.skipped : hunk.lines.length))).toEqual([8, 6, 7]);
});

test('texts too long to compare line by line still come out, as replaced', () => {
  const long = (sign: string) => Array.from({ length: 6_000 }, (_, at) => sign + at).join('\n');
  const lines = lineDiff(`same\n${long('a')}`, `same\n${long('b')}`);
  expect(lines.map(({ is }) => is).slice(0, 2)).toEqual(['same', 'removed']);
  expect(lines).toHaveLength(12_001);
});
