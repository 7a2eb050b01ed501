import { say } from '#domain/say';

/**
 * Texts with `{{field}}` in them. Deliberately no more than that: people edit these texts on a page, and a template
 * language would let them run code or read what is not theirs.
 */

const FIELD = /\{\{[ ]*([A-Za-z][A-Za-z0-9]*)[ ]*\}\}/g;
/** What WhatsApp takes in one text message. */
const LONGEST = 4096;
/** Room for what is put in: names of up to 200 characters, addresses of pages. */
const ROOM_FOR_VALUES = 1024;
/** Characters that an edited text may have. */
export const LONGEST_TEMPLATE = LONGEST - ROOM_FOR_VALUES;

/** Puts each value where its `{{name}}` stands. A value is put in as it is, also when it looks like a field itself; a field without a value stays as written. */
export function fillTemplate(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(FIELD, (written, name: string) => (Object.hasOwn(values, name) ? values[name]! : written));
}

/** One line for each thing that is wrong with an edited text; empty when it can be used. */
export function templateFaults(text: string, allowed: readonly string[]): string[] {
  const faults: string[] = [];
  if (text.trim() === '') faults.push(say`the text is empty`);
  if (text.length > LONGEST_TEMPLATE) {
    faults.push(say`the text has ${text.length} characters; ${LONGEST_TEMPLATE} at most`);
  }
  if (/[^\P{Cc}\n]/u.test(text)) faults.push(say`the text holds control characters`);
  const unknown = new Set(
    [...text.matchAll(FIELD)].map((match) => match[1]!).filter((name) => !allowed.includes(name)),
  );
  for (const name of unknown) {
    faults.push(
      say`{{${name}}} is no field of this message; there are: ${allowed.map((one) => `{{${one}}}`).join(', ')}`,
    );
  }
  if (/\{\{|\}\}/.test(text.replace(FIELD, ''))) {
    faults.push(say`{{ and }} may only stand around the name of a field, for example {{name}}`);
  }
  return faults;
}
