import type { FastifyReply } from 'fastify';
import { gatewayHosts } from '#domain/walled-garden';
import { type Settings, type SettingsSection, saveSettings } from '#operations/settings';
import { faultsByField, lastChange, type SettingsTab, tabs } from '#portal/admin/settings/frame';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';

/** One page of settings that is one form: the section it edits and the fields of it. */
type FormPage = {
  readonly path: string;
  readonly tab: SettingsTab;
  readonly section: SettingsSection;
  readonly fields: readonly string[];
};

const PAGES: readonly FormPage[] = [
  { path: '/settings', tab: 'company', section: 'company', fields: ['name', 'address', 'phone', 'hours', 'zone'] },
  {
    path: '/settings/reminders',
    tab: 'reminders',
    section: 'reminders',
    fields: ['endingSoonHours', 'quotaShares', 'quietFrom', 'quietTo'],
  },
  {
    path: '/settings/billing',
    tab: 'billing',
    section: 'billing',
    fields: ['prefix', 'tax', 'taxPercent', 'dueDays', 'autoPayDays', 'autoPayTries'],
  },
  { path: '/settings/walled-garden', tab: 'walled-garden', section: 'walledGarden', fields: ['hosts'] },
];

/** What the company decides about itself. */
export function settingsPage(doors: Doors): void {
  for (const page of PAGES) {
    doors.staff('GET', page.path, 'settings', async (context) =>
      form(context, page, typedOf(await context.opened.settings(), page)),
    );

    doors.staff('POST', page.path, 'settings', async (context) => {
      const sent = formOf(context.request.body);
      const typed = Object.fromEntries(page.fields.map((name) => [name, decimal(name, field(sent, name))]));
      // Where the environment names the zone, the field is not part of the form.
      const given = page.section === 'company' && context.parts.zoneIsSet ? { ...typed, zone: undefined } : typed;
      const saved = await attempt(() => saveSettings(context.desk, page.section, given));
      if (saved.faults !== undefined) return form(context, page, typed, saved.faults);
      const { changed } = saved.done;
      const key = changed.length === 0 ? 'nothing-changed' : changed.includes('zone') ? 'saved-zone' : 'saved';
      return context.redirect(page.path, { kind: 'good', text: context.t(`settings.${key}`) });
    });
  }
}

/** A share of a percent is typed with a comma here. */
const decimal = (name: string, text: string): string => (name === 'taxPercent' ? text.replace(',', '.') : text);

/** Lists stand in a field as their entries, one a line for hosts, with commas for shares. */
function typedOf(settings: Settings, { section, fields, tab }: FormPage): Record<string, string> {
  const stored: Readonly<Record<string, unknown>> = settings[section];
  return Object.fromEntries(
    fields.map((name) => {
      const value = stored[name];
      const text = Array.isArray(value) ? value.join(tab === 'walled-garden' ? '\n' : ', ') : String(value ?? '');
      return [name, text];
    }),
  );
}

const TAXES = ['off', 'included', 'added'];
const ZONES = ['Asia/Jakarta', 'Asia/Makassar', 'Asia/Jayapura'];

async function form(
  context: Context,
  page: FormPage,
  typed: Readonly<Record<string, string>>,
  faults?: readonly string[],
): Promise<FastifyReply> {
  const title = context.t(`settings.tab-${page.tab}`);
  const chosen = typed.zone ?? '';
  const known = chosen === '' || ZONES.includes(chosen) ? ZONES : [...ZONES, chosen];
  return context.page(
    `admin/settings/${page.tab}`,
    {
      title,
      tabs: tabs(context, page.tab),
      typed,
      faults: faults === undefined ? undefined : faultsByField(context, faults),
      changed: await lastChange(context, page.section),
      taxes: TAXES.map((tax) => ({ tax, chosen: tax === typed.tax, text: context.t(`settings.tax-${tax}`) })),
      gatewayHosts: gatewayHosts((await context.opened.settings()).gateways).join(', '),
      zones: known.map((zone) => ({ zone, chosen: zone === chosen, text: zoneWords(context, zone) })),
      zone: {
        inForce: context.parts.zone,
        isSet: context.parts.zoneIsSet,
        differs: chosen !== '' && chosen !== context.parts.zone,
      },
    },
    { title, active: 'settings', status: faults === undefined ? 200 : 422 },
  );
}

const zoneWords = (context: Context, zone: string): string =>
  ZONES.includes(zone) ? context.t(`settings.zone-${zone.slice('Asia/'.length).toLowerCase()}`) : zone;
