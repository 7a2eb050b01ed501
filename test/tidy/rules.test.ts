import { expect, test } from 'vitest';
import { bare, files, findings, type Source, source } from '#test/tidy/source';

/** A rule of the house: what may stand nowhere, or only in some rooms; with a line that must be found out. */
type Rule = {
  says: string;
  pattern: RegExp;
  /** Looks into strings and comments too. */
  raw?: true;
  /** Where it is allowed. */
  allowed?: RegExp;
  breaks: string;
};

const rules: readonly Rule[] = [
  {
    says: 'SQL stands only in policy-server/storage and migrations',
    raw: true,
    pattern:
      /[`'"]\s*(select\s+[\w*(]|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s*\(|create\s+(table|index)\s)/i,
    allowed: /^(policy-server\/storage\/|migrations\/|test\/)/,
    breaks: 'db.query(`select id from nas`)',
  },
  {
    says: 'only policy-server/domain/clock.ts reads a clock',
    pattern:
      /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bperformance\.(now|timeOrigin)\b|\bprocess\.(hrtime|uptime)\b/,
    allowed: /^(policy-server\/domain\/clock\.ts|test\/)/,
    breaks: 'const at = Date.now();',
  },
  {
    says: 'only policy-server/config.ts reads the environment',
    pattern: /\bprocess\.env\b/,
    allowed: /^(policy-server\/config\.ts|test\/|vitest\.config\.ts)/,
    breaks: 'const port = process.env.PORT;',
  },
  { says: 'nothing is cast to any', pattern: /\bas any\b|<any>|:\s*any\b/, breaks: 'return value as any;' },
  {
    says: 'the compiler and the linter are not silenced',
    raw: true,
    pattern: /@ts-(ignore|expect-error|nocheck)|biome-ignore/,
    allowed: /^test\/tidy\//,
    breaks: '// @ts-ignore',
  },
  {
    says: 'no work is left in comments',
    raw: true,
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    allowed: /^test\/tidy\//,
    breaks: '// TODO: later',
  },
  {
    says: 'no test is left out or left alone; what a machine lacks is skipped by test/support/tools.ts',
    pattern: /\b(test|it|describe|suite)(\.\w+)*\.(only|skip|todo|skipIf|runIf|fails)\b/,
    allowed: /^test\/support\/tools\.ts$/,
    breaks: "test.skip('later', () => {});",
  },
  {
    says: 'no path of one machine',
    raw: true,
    pattern: /['"`(\s]\/(work|root|home\/\w+|Users\/\w+)\//,
    allowed: /^test\/tidy\//,
    breaks: "const folder = '/home/budi/gerbang';",
  },
  {
    says: 'output goes through the log or the command line',
    pattern: /\bconsole\.(log|info|debug|warn|error)\b/,
    allowed: /^(policy-server\/(cli|main|config)(\.ts|\/)|test\/)/,
    breaks: "console.log('here');",
  },
];

function broken(rule: Rule, sources: readonly Source[]): string[] {
  const looked = sources.filter(({ path }) => !rule.allowed?.test(path));
  if (!rule.raw) return findings(looked, rule.pattern);
  return looked.flatMap((file) =>
    file.lines.flatMap((line, i) => (rule.pattern.test(line) ? [`${file.path}:${i + 1}  ${line.trim()}`] : [])),
  );
}

const code = files('.ts').filter(({ path }) => path !== 'test/tidy/rules.test.ts');

test.each(rules)('$says', (rule) => {
  expect(broken(rule, code)).toEqual([]);
});

test.each(rules)('a file that breaks "$says" is found out', (rule) => {
  expect(broken(rule, [source('radius/example.ts', `const a = 1;\n${rule.breaks}\n`)])).toHaveLength(1);
});

const emptyCatch =
  /\bcatch\s*(\(\s*\w*\s*\))?\s*\{\s*\}|\.catch\(\s*(\(\s*\w*\s*\)|\w+)\s*=>\s*(\{\s*\}|null|undefined)\s*\)/g;

/** Catches that do nothing, without a comment on their line, in them or just above that says why. */
function silentCatches(file: Source): string[] {
  const code = bare(file.text);
  return [...code.matchAll(emptyCatch)].flatMap((match) => {
    const first = code.slice(0, match.index).split('\n').length;
    const last = first + match[0].split('\n').length - 1;
    const reasoned = file.lines.slice(Math.max(0, first - 2), last).some((line) => /\/\/|\*\//.test(line));
    return reasoned ? [] : [`${file.path}:${first}  ${file.lines[first - 1]?.trim()}`];
  });
}

test('no catch swallows an error without saying why', () => {
  expect(code.flatMap(silentCatches)).toEqual([]);
  const found = (text: string) => silentCatches(source('radius/example.ts', `\n\n${text}`)).length;
  expect(found('try { a(); } catch (error) {}')).toBe(1);
  expect(found('void a().catch(() => {});')).toBe(1);
  expect(found('void a().catch(() => undefined);')).toBe(1);
  expect(found('// the folder may be gone already\nvoid a().catch(() => {});')).toBe(0);
  expect(found('try { a(); } catch (error) { log(error); }')).toBe(0);
});

/** Files that may be longer, and why. */
const mayBeLong: Readonly<Record<string, string>> = {};

const LONGEST = 400;

test(`no file is longer than ${LONGEST} lines`, () => {
  const long = code.filter(({ path, lines }) => lines.length - 1 > LONGEST && !(path in mayBeLong));
  expect(long.map(({ path, lines }) => `${path} has ${lines.length - 1}`)).toEqual([]);
  const noLonger = Object.keys(mayBeLong).filter(
    (path) => !code.some((file) => file.path === path && file.lines.length > LONGEST),
  );
  expect(noLonger).toEqual([]);
});

test('names are English words, not leftovers', () => {
  const rooms = files('.ts').map(({ path }) => path);
  expect(rooms.filter((path) => /(^|\/)(utils|helpers|services|types|misc|common)(\/|\.ts$)/.test(path))).toEqual([]);
});

test('comments and strings do not hide code from these tests, nor show them what is none', () => {
  expect(bare("a('Date.now') // Date.now\nb(/x'y/)").trimEnd()).toBe(`a('        ')            \nb(     )`);
});
