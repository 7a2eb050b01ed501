import type { SecretSetting, SettingsSection } from '#operations/settings';
import { settingChanges } from '#operations/settings';
import { actorWords } from '#portal/admin/customer/events';
import type { Context } from '#portal/shared/context';

const TABS = [
  { key: 'company', path: '/settings', may: 'settings' },
  { key: 'routers', path: '/settings/routers', may: 'see' },
  { key: 'whatsapp', path: '/settings/whatsapp', may: 'settings' },
  { key: 'billing', path: '/settings/billing', may: 'settings' },
  { key: 'gateways', path: '/settings/gateways', may: 'settings' },
  { key: 'genieacs', path: '/settings/genieacs', may: 'settings' },
  { key: 'reminders', path: '/settings/reminders', may: 'settings' },
  { key: 'walled-garden', path: '/settings/walled-garden', may: 'settings' },
] as const;
export type SettingsTab = (typeof TABS)[number]['key'];

/** The way between the pages of settings, as far as this role may go it; null where there is only one. */
export function tabs(context: Context, current: SettingsTab) {
  const open = TABS.filter((tab) => context.allowed(tab.may));
  if (open.length < 2) return null;
  return open.map((tab) => ({
    path: tab.path,
    text: context.t(`settings.tab-${tab.key}`),
    current: tab.key === current,
  }));
}

/** `Terakhir diubah oleh budi, 2 hari lalu`; null when it never was. */
export async function lastChange(
  context: Context,
  ...of: readonly (SettingsSection | SecretSetting)[]
): Promise<string | null> {
  const changes = await settingChanges(context.db);
  const [newest] = of.flatMap((key) => changes.get(key) ?? []).toSorted((one, other) => other.at - one.at);
  if (newest === undefined) return null;
  return context.t('settings.changed', { by: actorWords(context, newest.by), when: context.format.ago(newest.at) });
}

/** The faults beside their fields: operations say them in English, the page in the reader's language. */
export function faultsByField(context: Context, faults: readonly string[] | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const fault of faults ?? []) {
    const first = /^[A-Za-z]+/.exec(fault)?.[0] ?? '';
    const name = KNOWN.has(first) ? first : 'other';
    found[name] = context.t(`settings.fault-${name}`, { fault: context.said(fault) });
  }
  return found;
}

const KNOWN = new Set([
  'name',
  'address',
  'phone',
  'hours',
  'zone',
  'endingSoonHours',
  'quotaShares',
  'quietFrom',
  'quietTo',
  'hosts',
  'transport',
  'perMinute',
  'perDay',
  'cloud',
  'secret',
  'url',
  'username',
  'informMinutes',
  'paths',
  'first',
  'linkHours',
  'prefix',
  'tax',
  'taxPercent',
  'dueDays',
  'autoPayDays',
  'autoPayTries',
  'midtrans',
  'xendit',
]);
