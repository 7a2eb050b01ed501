import { expect, test } from 'vitest';
import { hasWords, keysOf, LANGUAGES, words } from '#portal/shared/words';
import { files, type Source, source } from '#test/tidy/source';

const OTHER = { id: 'en', en: 'id' } as const;
/** Only where a language has a plural. */
const isPluralForm = (key: string) => key.endsWith('_one');

test.each(LANGUAGES)('every text in %s is there in the other language', (language) => {
  const missing = keysOf(language).filter((key) => !isPluralForm(key) && !hasWords(OTHER[language], key));
  expect(missing).toEqual([]);
});

const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
/** The text as it is stored: each value stands for itself. */
const stored = (language: (typeof LANGUAGES)[number], key: string) =>
  words(language, key, new Proxy({}, { get: (_target, name) => (name === 'count' ? '{count}' : `{${String(name)}}`) }));

test('both languages put the same values in', () => {
  const keys = keysOf('id').filter((key) => !isPluralForm(key));
  const different = keys.filter(
    (key) => placeholders(stored('id', key)).join() !== placeholders(stored('en', key)).join(),
  );
  expect(different).toEqual([]);
});

test('no text is empty, and none says the same in both languages but for what has one name', () => {
  for (const language of LANGUAGES)
    for (const key of keysOf(language)) expect(stored(language, key).trim(), key).not.toBe('');
  const long = keysOf('id').filter((key) => !isPluralForm(key) && stored('id', key) === stored('en', key));
  // A sentence that is the same in both was forgotten in one.
  expect(long.filter((key) => stored('id', key).split(' ').length > 4)).toEqual([]);
});

/** Keys that a template or a handler names; those put together from parts end at the part that varies. */
function usedKeys({ path, text }: Source): { exact: string[]; begins: string[] } {
  const inTemplate = [...text.matchAll(/[{(]\s*t\s+'([^']+)'/g), ...text.matchAll(/\(\s*t\s+'([^']+)'/g)];
  const inCode = [
    ...text.matchAll(/(?:\bt|\bwords)\(\s*(?:[\w.]+,\s*)?'([^']+)'/g),
    ...text.matchAll(/'([a-z-]+\.[a-z0-9-]+)'/g),
  ];
  const built = [...text.matchAll(/`([a-z-]+\.[\w-]*)\$\{/g)];
  const areas = new Set(keysOf('id').map((key) => key.split('.', 1)[0]!));
  const isKey = (key: string) => areas.has(key.split('.', 1)[0]!) && !/\.(css|js|hbs|ts|json)$/.test(key);
  return {
    exact: (path.endsWith('.hbs') ? inTemplate : inCode)
      .map(([, key]) => key!)
      .filter((key) => path.endsWith('.hbs') || isKey(key)),
    begins: path.endsWith('.hbs') ? [] : built.map(([, key]) => key!).filter(isKey),
  };
}

const ours = files('.hbs', '.ts').filter(({ path }) => path.startsWith('portal/'));

test('every text that a page names is there', () => {
  const missing = ours.flatMap((file) => {
    const { exact, begins } = usedKeys(file);
    return [
      ...exact.filter((key) => !hasWords('id', key)),
      ...begins.filter((start) => !keysOf('id').some((key) => key.startsWith(start))),
    ].map((key) => `${file.path}: ${key}`);
  });
  expect(missing).toEqual([]);
  expect(
    usedKeys(source('portal/x.hbs', "{{t 'a.b' c=d}} {{#if (eq x (t 'e.f'))}}{{{bars y label=(t 'g.h')}}}")).exact,
  ).toEqual(expect.arrayContaining(['a.b', 'e.f', 'g.h']));
  expect(usedKeys(source('portal/x.ts', "context.t('shared.nothing')")).exact).toEqual(
    expect.arrayContaining(['shared.nothing']),
  );
});

/** Letters between the tags of a template that no text gave, nor a value. */
function lettersOutside({ path, text }: Source): string[] {
  const bare = text
    .replace(/\{\{!--[\s\S]*?--\}\}|\{\{![\s\S]*?\}\}/g, ' ')
    .replace(/<(style|script|code|pre)\b[\s\S]*?<\/\1>/g, ' ')
    .replace(/\{\{\{?[\s\S]*?\}?\}\}/g, ' ');
  // Attributes that are read out or shown.
  const spoken = [
    ...bare.matchAll(/\s(?:title|alt|placeholder|aria-label|aria-description|data-label|data-confirm)="([^"]*)"/g),
  ];
  const between = bare.replace(/<!?\/?[a-z][^>]*>/gi, '\n').replace(/&\w+;/g, ' ');
  return [...between.split('\n'), ...spoken.map(([, said]) => said!)]
    .map((line) => line.trim())
    .filter((line) => line.match(/\p{L}{2,}/gu)?.some((word) => !NAMES.has(word)) && !SAID_BY_OTHERS.test(line))
    .map((line) => `${path}: ${line}`);
}

/** Names are called the same in every language. */
const NAMES: ReadonlySet<string> = new Set(
  'WhatsApp Gerbang RADIUS RouterOS API TLS CSV QR TOTP PPPoE IP MAC NAS CoA PIN Portal ID Message Authenticator'.split(
    ' ',
  ),
);
/** What another program calls a thing of its own: people look for just that there. A line that begins with `/` is typed into a router. */
const SAID_BY_OTHERS = /^(Phone number ID$|\/[a-z]+ )/;

test('no text stands in a template', () => {
  expect(ours.filter(({ path }) => path.endsWith('.hbs')).flatMap(lettersOutside)).toEqual([]);
  expect(
    lettersOutside(source('portal/x.hbs', '<p class="quiet">Halo {{name}}</p><input placeholder="Cari">')),
  ).toHaveLength(2);
  expect(lettersOutside(source('portal/x.hbs', "<p>{{t 'a.b'}} · {{#if x}}1{{else}}2{{/if}} WhatsApp</p>"))).toEqual(
    [],
  );
});
