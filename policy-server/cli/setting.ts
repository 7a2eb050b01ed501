import { InvalidInput } from '#domain/errors';
import {
  readSettings,
  SECRET_SETTINGS,
  SETTINGS_SECTIONS,
  type SecretSetting,
  type SettingsSection,
  saveSettings,
  setSecretSetting,
  settingChanges,
} from '#operations/settings';
import type { Command } from '#policy-server/cli/command';
import { readSecret } from '#policy-server/cli/secret-input';
import { card } from '#policy-server/cli/table';
import { installationId } from '#storage/installation';

export const settingShow: Command = {
  name: 'setting show',
  summary: 'Show the settings of the company; of secrets only whether they are set',
  run: async ({ db, config, zone }) => {
    const settings = await readSettings(db);
    const changes = await settingChanges(db);
    const installation = await installationId(db);
    const lines = SETTINGS_SECTIONS.flatMap((section) =>
      Object.entries(settings[section]).map(([field, value]) => [`${section}.${field}`, shown(value)] as const),
    );
    const secrets = SECRET_SETTINGS.map((key) => [key, changes.has(key) ? 'set' : 'not set'] as const);
    const inForce = `${zone} (${config.zoneIsSet ? 'COMPANY_TIMEZONE is set and wins' : 'as saved, or the default'})`;
    const tag = `${installation} (its entries on routers: gerbang:${installation}:NUMBER)`;
    const text = card([...lines, ...secrets, ['zone in force at the next start', inForce], ['installation', tag]]);
    const isSet = Object.fromEntries(SECRET_SETTINGS.map((key) => [key, changes.has(key)]));
    return { text, json: { settings, secrets: isSet, zone, installation } };
  },
};

const shown = (value: unknown): string =>
  value === null || value === '' ? '-' : typeof value === 'object' ? JSON.stringify(value) : String(value);

export const settingSet: Command = {
  name: 'setting set',
  summary: 'Change one setting',
  positionals: [
    { name: 'NAME', help: 'as setting show prints it, for example company.name or whatsapp.cloud.token' },
    {
      name: 'VALUE',
      help: 'what it is to be; "" for none; lists parted by commas; a secret is "-": from standard input',
    },
  ],
  notes: ['What setting show prints in braces takes JSON: setting set gateways.xendit \'{"active": true}\'.'],
  run: async (desk, given) => {
    const [name, value] = given.words as [string, string];
    if (isSecret(name)) {
      if (value !== '-' && value !== '')
        throw new InvalidInput([`${name} is a secret: give - and write it to standard input`]);
      await setSecretSetting(desk, name, value === '' ? null : ((await readSecret(value)) ?? ''));
      return { text: `${name} is ${value === '' ? 'taken out' : 'set'}.`, json: { name, set: value !== '' } };
    }
    const { section, field, isObject } = await fieldOf(desk.db, name);
    const saved = await saveSettings(desk, section, { [field]: isObject ? jsonOf(value) : value });
    const now = shown((saved.value as Readonly<Record<string, unknown>>)[field]);
    const when = name === 'company.zone' ? ' It takes effect at the next start.' : '';
    return { text: `${name} is ${now}.${when}`, json: { name, value: now, changed: saved.changed.length > 0 } };
  },
};

const isSecret = (name: string): name is SecretSetting => SECRET_SETTINGS.some((key) => key === name);

async function fieldOf(
  db: Parameters<typeof readSettings>[0],
  name: string,
): Promise<{ section: SettingsSection; field: string; isObject: boolean }> {
  const settings = await readSettings(db);
  const names = SETTINGS_SECTIONS.flatMap((section) =>
    Object.keys(settings[section]).map((field) => `${section}.${field}`),
  );
  if (!names.includes(name)) {
    throw new InvalidInput([`there is no setting "${name}"; there are: ${[...names, ...SECRET_SETTINGS].join(', ')}`]);
  }
  const [section, field] = name.split('.') as [SettingsSection, string];
  const now = (settings[section] as Readonly<Record<string, unknown>>)[field];
  return { section, field, isObject: typeof now === 'object' && now !== null && !Array.isArray(now) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: the field's own rule says what is allowed
  }
}
