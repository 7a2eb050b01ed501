import { describe, expect, test } from 'vitest';
import { Format } from '#portal/shared/format';
import { said } from '#portal/shared/said';
import { hasWords, keysOf, LANGUAGES, type Language, words } from '#portal/shared/words';
import { ERROR_CAUSES, printOutcome } from '#radius/coa-client';
import { files, type Source, source } from '#test/tidy/source';

/** What the product says in English (`domain/say.ts`) and pages show: faults, what enforcement did and why, how parts are. */

const product = files('.ts').filter(({ path }) => /^(policy-server|radius)\//.test(path) && !path.endsWith('/say.ts'));

/** The lines that are marked in a source, `{1}`, `{2}` … standing for their values. */
function marked({ text }: Source): string[] {
  return [...text.matchAll(/\bsay`/g)].map((match) => {
    let line = '';
    let values = 0;
    let at = match.index + match[0].length;
    while (text[at] !== '`') {
      if (text[at] === '\\') at += 1;
      else if (text.startsWith('${', at)) {
        values += 1;
        line += `{${values}}`;
        at = endOfValue(text, at + 2);
        continue;
      }
      line += text[at];
      at += 1;
    }
    return line;
  });
}

/** Where the code of a `${…}` ends that begins at `at`: behind its brace. */
function endOfValue(text: string, from: number): number {
  let at = from;
  while (text[at] !== '}') {
    const sign = text[at]!;
    if (sign === '{') at = endOfValue(text, at + 1);
    else if (sign === "'" || sign === '"') at = text.indexOf(sign, at + 1) + 1;
    else if (sign === '`') at = endOfTemplate(text, at + 1);
    else at += 1;
  }
  return at + 1;
}

function endOfTemplate(text: string, from: number): number {
  let at = from;
  while (text[at] !== '`') at = text.startsWith('${', at) ? endOfValue(text, at + 2) : at + 1;
  return at + 1;
}

/** How routers answer a CoA or Disconnect: the protocol's own names, which know nothing of the product. */
const OUTCOMES = ['ack', 'nak', 'no answer', 'no answer ({1})', 'nak {1} {2}', 'of no known cause'];
const lines = [...new Set(product.flatMap(marked))];
const wanted = [...lines, ...OUTCOMES, ...ERROR_CAUSES.values()];

const at = Date.parse('2026-11-21T02:00:00Z');
const inLanguage = (language: Language) => (line: string) => said(new Format(language, 'Asia/Jakarta', at), line);
const id = inLanguage('id');
const en = inLanguage('en');

describe('every line that the product says to people', () => {
  test.each(LANGUAGES)('has words in %s, and no words are left over', (language) => {
    expect(lines.length).toBeGreaterThan(250);
    expect(wanted.filter((line) => !hasWords(language, `said.${line}`))).toEqual([]);
    const texts = keysOf(language).filter((key) => key.startsWith('said.'));
    expect(texts.filter((key) => !wanted.includes(key.slice('said.'.length)))).toEqual([]);
  });

  test('is marked as one: no fault, description or reason goes by', () => {
    const rooms = /^policy-server\/(operations|enforcement|domain|integrations\/routeros)\/|^policy-server\/readiness/;
    expect(product.filter(({ path }) => rooms.test(path)).flatMap(unmarked)).toEqual([]);
    expect(unmarked(source('x.ts', "throw new InvalidInput(['no'])"))).toHaveLength(1);
    expect(unmarked(source('x.ts', 'faults.push(`is no fault`)'))).toHaveLength(1);
    expect(unmarked(source('x.ts', "z.string().describe('a name')"))).toHaveLength(1);
    expect(unmarked(source('x.ts', 'throw new InvalidInput([say`no`])'))).toEqual([]);
  });

  test('is found again with its values, whatever others say alike', () => {
    for (const line of wanted) {
      const values = Object.fromEntries([...line.matchAll(/\{(\d+)\}/g)].map(([, place]) => [place!, `x${place}y`]));
      const filled = line.replace(/\{(\d+)\}/g, (_whole, place: string) => values[place]!);
      for (const language of LANGUAGES)
        expect(inLanguage(language)(filled), line).toBe(words(language, `said.${line}`, values));
    }
  });

  test('says enough of its own not to be taken for another', () => {
    const vague = wanted.filter((line) => (line.replace(/\{\d+\}/g, '').match(/\p{L}/gu) ?? []).length < 3);
    // An address and its lists on both sides of an arrow.
    expect(vague).toEqual(['{1}: {2} → {3}']);
  });
});

/** Where a text stands unmarked that somebody may read on a page. */
function unmarked({ path, text }: Source): string[] {
  const places =
    /(?:new InvalidInput\(\[|\b(?:faults|reasons)\.push\(|\.describe\(|\bbad\(|\b(?:reason|said|fault):)\s*(?:'[^']+'|"[^"]+"|`[^`]+`)/g;
  return [...text.matchAll(places)].flatMap(([found]) => {
    const own = found.slice(found.search(/['"`]/)).replace(/\$\{[^}]*\}/g, '');
    return /\p{L}{2}/u.test(own) ? [`${path}: ${found}`] : [];
  });
}

describe('a page says', () => {
  test('a fault in the reader’s language, and what stands inside of it too', () => {
    const line =
      'line 7: phone "08xx" is not usable; give a telephone number of 6 to 15 digits, for example +6281234567890';
    expect(id(line)).toBe(
      'baris 7: phone "08xx" tidak bisa dipakai; seharusnya nomor telepon 6 sampai 15 angka, misalnya +6281234567890',
    );
    expect(id('there is no plan "10M"; there is none yet; add one with: plan add')).toBe(
      'Tidak ada paket "10M"; belum ada satu pun; buat paket dulu',
    );
    expect(en('there is no plan "10M"; there is none yet; add one with: plan add')).toBe(
      'There is no package "10M"; there is none yet; make a package first',
    );
  });

  test('several lines, each by itself', () => {
    expect(id('is prepaid already\nthe text is empty').split('\n')).toHaveLength(2);
    expect(id('is prepaid already\nthe text is empty')).toMatch(/^sudah prepaid\n/);
  });

  test('speeds and lists as people read them', () => {
    const told = ['20000000/10000000 list=prepaid-active', '128000/128000 list=prepaid-no-package'] as const;
    expect(id(`change ${told[0]} to ${told[1]}; the NAS said nak 401 unsupported attribute to a CoA`)).toBe(
      'dari 20 Mbps / 10 Mbps, prepaid-active menjadi 128 kbps / 128 kbps, prepaid-no-package; saat diubah langsung (CoA): ditolak router: ada atribut yang tidak didukung (401)',
    );
    expect(id('10.1.2.3: in no list → prepaid-active')).toBe('10.1.2.3: tidak di daftar mana pun → prepaid-active');
  });

  test('every answer of a router to a CoA', () => {
    for (const [errorCause, name] of ERROR_CAUSES) {
      const shown = id(printOutcome({ is: 'nak', errorCause }));
      expect(shown).toMatch(new RegExp(`^ditolak router: .+ \\(${errorCause}\\)$`));
      expect(shown).not.toContain(name);
    }
    expect(id(printOutcome({ is: 'ack' }))).toBe('diterima router');
    expect(id(printOutcome({ is: 'nak', errorCause: null }))).toBe('ditolak router tanpa alasan');
    expect(id(printOutcome({ is: 'nak', errorCause: 999 }))).toBe('ditolak router: sebab tidak dikenal (999)');
    expect(id(printOutcome({ is: 'timeout', error: null }))).toBe('router tidak menjawab');
    expect(id(printOutcome({ is: 'timeout', error: 'EHOSTUNREACH' }))).toBe('router tidak menjawab (EHOSTUNREACH)');
  });

  test('what is none of ours, and names that people gave, as they are', () => {
    expect(id('failure: already have such entry')).toBe('failure: already have such entry');
    expect(id('Sesinya sudah berakhir')).toBe('Sesinya sudah berakhir');
    expect(id('name "no answer" belongs to another NAS; give another name, or see: nas list')).toBe(
      'Nama "no answer" sudah dipakai router lain; beri nama lain',
    );
  });

  test('what is very long, or nested without end, as it is: somebody typed it', () => {
    const long = `name "${'x'.repeat(3_000)}" is not usable; give six digits`;
    expect(id(long)).toBe(long);
    expect(id('line 1: '.repeat(20_000))).toBe('line 1: '.repeat(20_000));
    expect(id('line 1: '.repeat(6))).toBe(`${'baris 1: '.repeat(4)}${'line 1: '.repeat(2)}`);
  });
});
