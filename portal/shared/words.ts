import { readdirSync, readFileSync } from 'node:fs';

export const LANGUAGES = ['id', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

/** What stands for `{name}` in a text. */
export type Values = Readonly<Record<string, string | number | null | undefined>>;

const FOLDER = new URL('../messages/', import.meta.url);

/** Every text of the pages by language and key: `messages/AREA.LANGUAGE.json` holds those whose key begins with `AREA.`. */
const texts: Readonly<Record<Language, ReadonlyMap<string, string>>> = { id: read('id'), en: read('en') };

function read(language: Language): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(`.${language}.json`))) {
    const area = file.slice(0, -`.${language}.json`.length);
    const flat: Record<string, string> = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
    for (const [key, text] of Object.entries(flat)) found.set(`${area}.${key}`, text);
  }
  return found;
}

/** Every key of a language, for the test that looks whether one is missing in another. */
export const keysOf = (language: Language): string[] => [...texts[language].keys()];

/**
 * The text of a key with its values put in. With a number as `count`, the key with `_one` behind it is taken for 1 where there is one
 * (Indonesian has no plural, English has).
 */
export function words(language: Language, key: string, values: Values = {}): string {
  const of = texts[language];
  const text = (values.count === 1 ? of.get(`${key}_one`) : undefined) ?? of.get(key);
  // A code that is newer than the texts must not take its page away; tests refuse a page that shows a key.
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (_whole, name: string) => String(values[name] ?? ''));
}

/** Whether there is a text of this key (for codes that may be new). */
export const hasWords = (language: Language, key: string): boolean => texts[language].has(key);
