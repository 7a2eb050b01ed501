import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { SHIPPED_TEXTS } from '#domain/notice-texts';
import { EXAMPLE_VALUES, NOTICE_FIELDS, NOTICES, type Notice } from '#domain/notices';
import { LANGUAGES, type Language } from '#domain/print-local';
import { say } from '#domain/say';
import { fillTemplate, templateFaults } from '#domain/template';
import type { Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { dropTemplate, type EditedTemplate, editedTemplates, writeTemplate } from '#storage/templates';

export type ListedTemplate = {
  readonly notice: Notice;
  readonly language: Language;
  readonly text: string;
  readonly fields: readonly string[];
  /** Null while it is as shipped. */
  readonly edited: Pick<EditedTemplate, 'changedAt' | 'changedBy'> | null;
};

/** Every text there is, in the order of the notices. */
export async function listTemplates(q: Queryable): Promise<ListedTemplate[]> {
  const edited = new Map((await editedTemplates(q)).map((one) => [`${one.notice} ${one.language}`, one]));
  return NOTICES.flatMap((notice) =>
    LANGUAGES.map((language) => {
      const own = edited.get(`${notice} ${language}`) ?? null;
      const text = own?.body ?? SHIPPED_TEXTS[notice][language];
      return { notice, language, text, fields: NOTICE_FIELDS[notice], edited: own };
    }),
  );
}

const which = {
  notice: z.enum(NOTICES).describe(say`one of ${NOTICES.join(', ')}`),
  language: z.enum(LANGUAGES).describe(say`id or en`),
};
const templateSchema = z.object({
  ...which,
  // Browsers send line ends as CR LF.
  text: z
    .string()
    .transform((text) => text.replace(/\r\n?/g, '\n').trim())
    .describe(say`the text of the message`),
});

/**
 * Saves the text of a notice: counts from the next message on.
 *
 * @throws InvalidInput for an empty or too long text, and for a `{{field}}` that the notice does not have
 */
export async function saveTemplate(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<void> {
  const { notice, language, text } = checked(input);
  await change(desk.db, { actor: desk.actor, why: 'save message template', detail: { notice, language, text } }, (tx) =>
    writeTemplate(tx, { notice, language, body: text, changedAt: desk.clock(), changedBy: desk.actor }),
  );
}

/** Back to the text as shipped. `changed` is false when it was that already. */
export async function resetTemplate(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly changed: boolean }> {
  const { notice, language } = parseInput(z.object(which), input);
  const detail = { notice, language };
  return change(desk.db, { actor: desk.actor, why: 'reset message template', detail }, async (tx) => ({
    changed: await dropTemplate(tx, notice, language),
  }));
}

/**
 * What a subscriber would read, with made-up values.
 *
 * @throws InvalidInput like `saveTemplate`
 */
export function previewTemplate(input: Readonly<Record<string, unknown>>): string {
  const { language, text } = checked(input);
  return fillTemplate(text, EXAMPLE_VALUES[language]);
}

function checked(input: Readonly<Record<string, unknown>>): z.output<typeof templateSchema> {
  const given = parseInput(templateSchema, input);
  const faults = templateFaults(given.text, NOTICE_FIELDS[given.notice]);
  if (faults.length > 0) throw new InvalidInput(faults);
  return given;
}
