import {
  readSection,
  SETTINGS_SECTIONS,
  type SecretSetting,
  type Settings,
  type SettingsSection,
} from '#domain/settings';
import type { Instant } from '#domain/time';
import { json, type Queryable, timestamp } from '#storage/database';
import { type Sealer, sealedSettingAad } from '#storage/secrets';

export type { SecretSetting, Settings, SettingsSection } from '#domain/settings';

/** Every section, with what it begins with where nothing was saved. One small query; keeping it is the caller's matter. */
export async function readSettings(q: Queryable): Promise<Settings> {
  const rows = await q.query<{ key: string; value: unknown }>('select key, value from setting', [], 'settings-read');
  const stored = new Map(rows.map((row) => [row.key, row.value]));
  const sections = SETTINGS_SECTIONS.map((section) => [section, readSection(section, stored.get(section))]);
  return Object.fromEntries(sections) as Settings;
}

export async function writeSection(
  q: Queryable,
  section: SettingsSection,
  value: object,
  by: string,
  at: Instant,
): Promise<void> {
  await q.execute(
    `insert into setting (key, value, changed_at, changed_by) values ($1, $2::jsonb, $3::timestamptz, $4)
     on conflict (key) do update set value = excluded.value, changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
    [section, json(value), timestamp(at), by],
  );
}

export type LastChange = { readonly at: Instant; readonly by: string };

/** Who changed what last: by section of the settings and by key of the sealed ones; a sealed one that is not set is not in it. */
export async function settingChanges(q: Queryable): Promise<ReadonlyMap<SettingsSection | SecretSetting, LastChange>> {
  const rows = await q.query<LastChange & { key: SettingsSection | SecretSetting }>(
    `select key, changed_at as at, changed_by as by from setting
     union all select key, changed_at, changed_by from sealed_setting`,
  );
  return new Map(rows.map(({ key, at, by }) => [key, { at, by }]));
}

/** The text of a sealed setting, null when it is not set. Throws `SecretsFault` when it cannot be opened. */
export async function readSecretSetting(q: Queryable, sealer: Sealer, key: SecretSetting): Promise<string | null> {
  const [row] = await q.query<{ sealed: Buffer }>('select value_sealed as sealed from sealed_setting where key = $1', [
    key,
  ]);
  return row === undefined ? null : sealer.open(row.sealed, sealedSettingAad(key));
}

/** Null takes it out. Returns whether anything was there or is there now. */
export async function writeSecretSetting(
  q: Queryable,
  key: SecretSetting,
  sealed: Buffer | null,
  by: string,
  at: Instant,
): Promise<boolean> {
  if (sealed === null) return (await q.execute('delete from sealed_setting where key = $1', [key])) > 0;
  await q.execute(
    `insert into sealed_setting (key, value_sealed, changed_at, changed_by) values ($1, $2, $3::timestamptz, $4)
     on conflict (key) do update set value_sealed = excluded.value_sealed, changed_at = excluded.changed_at,
                                     changed_by = excluded.changed_by`,
    [key, sealed, timestamp(at), by],
  );
  return true;
}
