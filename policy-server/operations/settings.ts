import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { SECRET_SETTINGS, SETTINGS, type SecretSetting, type Settings, type SettingsSection } from '#domain/settings';
import type { Desk } from '#operations/desk';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import { json } from '#storage/database';
import { sealedSettingAad } from '#storage/secrets';
import { readSettings, writeSecretSetting, writeSection } from '#storage/settings';

export type { SecretSetting, Settings, SettingsSection } from '#domain/settings';
export { SECRET_SETTINGS, SETTINGS_SECTIONS } from '#domain/settings';
export { readSettings, settingChanges } from '#storage/settings';

/**
 * Saves the given fields of one section; those not given stay as they are. A form may send texts: numbers, lists parted by
 * commas, '' for none. Quiet hours are two times: who clears one of them and leaves the other alone clears both, who gives
 * one where there are none gets the other's beginning value. `company.zone` takes effect at the next start, all else
 * within seconds.
 *
 * @throws InvalidInput for wrong fields
 */
export async function saveSettings<Section extends SettingsSection>(
  desk: Desk,
  section: Section,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly changed: readonly string[]; readonly value: Settings[Section] }> {
  const detail: Record<string, unknown> = { section };
  return change(desk.db, { actor: desk.actor, why: 'save settings', detail }, async (tx) => {
    const before: Readonly<Record<string, unknown>> = (await readSettings(tx))[section];
    const schema: z.ZodObject = SETTINGS[section];
    const after: Readonly<Record<string, unknown>> = parseInput(
      schema,
      merged(before, bothQuiet(section, before, input)),
    );
    refuseHalfQuiet(after);
    const changed = Object.keys(after).filter((field) => json(after[field]) !== json(before[field]));
    const of = (value: Readonly<Record<string, unknown>>) =>
      Object.fromEntries(changed.map((one) => [one, value[one]]));
    Object.assign(detail, { before: of(before), after: of(after) });
    if (changed.length > 0) await writeSection(tx, section, after, desk.actor, desk.clock());
    return { changed, value: after as Settings[Section] };
  });
}

/** What is given over what is there; a group of fields (`cloud`) field by field. */
function merged(
  before: Readonly<Record<string, unknown>>,
  input: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  const over = given.map(([field, value]) => [
    field,
    isGroup(before[field]) && isGroup(value) ? { ...before[field], ...value } : value,
  ]);
  return { ...before, ...Object.fromEntries(over) };
}

const isGroup = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const QUIET = [
  ['quietFrom', 'quietTo'],
  ['quietTo', 'quietFrom'],
] as const;

/** The other quiet hour, where one was given or cleared alone that cannot stand alone. */
function bothQuiet(
  section: SettingsSection,
  before: Readonly<Record<string, unknown>>,
  input: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  if (section !== 'reminders') return input;
  const isNone = (value: unknown) => value === null || (typeof value === 'string' && value.trim() === '');
  for (const [given, other] of QUIET) {
    if (input[given] === undefined || input[other] !== undefined) continue;
    if (isNone(input[given])) return { ...input, [other]: null };
    if (before[other] === null) return { ...input, [other]: SETTINGS.reminders.parse({})[other] };
  }
  return input;
}

function refuseHalfQuiet({ quietFrom, quietTo }: Readonly<Record<string, unknown>>): void {
  if ((quietFrom === null) !== (quietTo === null)) {
    throw new InvalidInput([
      say`quietFrom and quietTo go together: give both, for example 21:00 and 07:00, or neither`,
    ]);
  }
  if (quietFrom !== undefined && quietFrom !== null && quietFrom === quietTo) {
    throw new InvalidInput([say`quietTo is the same as quietFrom; give another time, or leave both empty`]);
  }
}

const secretSchema = z.object({
  key: z.enum(SECRET_SETTINGS).describe(say`one of ${SECRET_SETTINGS.join(', ')}`),
  secret: z
    .string()
    .trim()
    .regex(/^[\x21-\x7e]{1,1000}$/)
    .nullable()
    .describe(say`the value as it was issued, without blanks, 1 to 1000 characters; or take it out`),
});

/**
 * Seals and keeps a secret setting; null takes it out.
 *
 * @throws InvalidInput for a key that is none, a value with blanks or control characters
 */
export async function setSecretSetting(desk: Desk, key: SecretSetting, text: string | null): Promise<void> {
  const given = parseInput(secretSchema, { key, secret: text });
  const detail = { key, set: given.secret !== null };
  await change(desk.db, { actor: desk.actor, why: 'set secret setting', detail }, async (tx) => {
    const sealed = given.secret === null ? null : desk.sealer.seal(given.secret, sealedSettingAad(given.key));
    await writeSecretSetting(tx, given.key, sealed, desk.actor, desk.clock());
  });
}
