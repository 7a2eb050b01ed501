import type { FastifyReply } from 'fastify';
import { InvalidInput } from '#domain/errors';
import { GATEWAYS, type GatewayName } from '#domain/gateway';
import { DAY } from '#domain/time';
import {
  type SecretSetting,
  type Settings,
  saveSettings,
  setSecretSetting,
  settingChanges,
} from '#operations/settings';
import { actorWords } from '#portal/admin/customer/events';
import { faultsByField, lastChange, tabs } from '#portal/admin/settings/frame';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { lastToldAt } from '#storage/gateway-events';
import type { LastChange } from '#storage/settings';

const PATH = '/settings/gateways';
/** Longer ago it tells nothing of whether the address is right today. */
const TOLD_WITHIN = 30 * DAY;

type Shape = {
  readonly name: string;
  /** The sealed settings by the name of their field. */
  readonly secrets: Readonly<Record<string, SecretSetting>>;
  /** Where its events come in. */
  readonly callback: string;
};

const SHAPES: Readonly<Record<GatewayName, Shape>> = {
  midtrans: {
    name: 'Midtrans',
    secrets: { 'midtrans-server-key': 'gateway.midtrans.server-key' },
    callback: '/api/webhooks/midtrans',
  },
  xendit: {
    name: 'Xendit',
    secrets: { 'xendit-api-key': 'gateway.xendit.api-key', 'xendit-callback-token': 'gateway.xendit.callback-token' },
    callback: '/api/webhooks/xendit',
  },
};
const SECRETS = GATEWAYS.flatMap((name) => Object.entries(SHAPES[name].secrets));

/** Which payment gateways customers pay with: their keys, what they offer, whether they answer, and where they write to. */
export function gatewaysPage(doors: Doors): void {
  doors.staff('GET', PATH, 'settings', (context) => page(context));
  doors.staff('POST', PATH, 'settings', save);
  for (const name of GATEWAYS)
    doors.staff('POST', `${PATH}/${name}/test`, 'settings', (context) => test(context, name));
}

async function save(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const section = sectionOf(form);
  const saved = await attempt(async () => {
    // Before anything is written: the settings and each secret are changes of their own.
    if (SECRETS.some(([name]) => !SECRET.test(field(form, name)))) throw new InvalidInput(['secret is not usable']);
    await saveSettings(context.desk, 'gateways', section);
    for (const [name, key] of SECRETS) {
      if (field(form, `forget-${name}`) === 'yes') await setSecretSetting(context.desk, key, null);
      else if (field(form, name) !== '') await setSecretSetting(context.desk, key, field(form, name));
    }
  });
  if (saved.faults !== undefined) return page(context, { faults: saved.faults, typed: section });
  return context.redirect(PATH, { kind: 'good', text: context.t('settings.saved') });
}

/** As `setSecretSetting` takes it; empty = as it is. */
const SECRET = /^[\x21-\x7e]{0,1000}$/;

const isOn = (form: Form, name: string): boolean => field(form, name) === 'on';

function sectionOf(form: Form) {
  return {
    first: field(form, 'first'),
    linkHours: field(form, 'linkHours'),
    midtrans: {
      active: isOn(form, 'midtrans-active'),
      production: field(form, 'midtrans-production') === 'yes',
      methods: field(form, 'midtrans-methods'),
    },
    xendit: { active: isOn(form, 'xendit-active'), methods: field(form, 'xendit-methods') },
  };
}

/** With what is saved, as it is this moment. */
async function test(context: Context, name: GatewayName): Promise<FastifyReply> {
  const gateway = await context.opened.gateways.named(name, 'fresh');
  const called = SHAPES[name].name;
  if (gateway === null) {
    return context.redirect(PATH, { kind: 'bad', text: context.t('gateways.test-no-keys', { name: called }) });
  }
  const wrong = await gateway.test();
  if (wrong === null) {
    return context.redirect(PATH, { kind: 'good', text: context.t('gateways.test-good', { name: called }) });
  }
  return context.redirect(PATH, { kind: 'bad', text: context.said(wrong) });
}

type More = { readonly faults?: readonly string[]; readonly typed?: ReturnType<typeof sectionOf> };
type Changes = ReadonlyMap<string, LastChange>;

async function page(context: Context, { faults, typed }: More = {}): Promise<FastifyReply> {
  const { gateways: settings } = await context.opened.settings();
  const shown = typed ?? settings;
  const changes = await settingChanges(context.db);
  const title = context.t('settings.tab-gateways');
  const found = faults === undefined ? undefined : faultsByField(context, faults);
  return context.page(
    'admin/settings/gateways',
    {
      title,
      here: PATH,
      tabs: tabs(context, 'gateways'),
      faults: found,
      warnings: await warnings(context, settings),
      linkHours: shown.linkHours,
      firsts: GATEWAYS.map((key) => ({ key, name: SHAPES[key].name, chosen: key === shown.first })),
      gateways: await Promise.all(
        GATEWAYS.map(async (key) => ({
          ...(await card(context, key, settings, shown[key], changes)),
          fault: found?.[key],
        })),
      ),
      changed: await lastChange(context, 'gateways', ...SECRETS.map(([, key]) => key)),
    },
    { title, active: 'settings', status: faults === undefined ? 200 : 422 },
  );
}

type Shown = { readonly active: boolean; readonly methods: string | readonly string[]; readonly production?: boolean };

async function card(
  context: Context,
  key: GatewayName,
  settings: Settings['gateways'],
  shown: Shown,
  changes: Changes,
) {
  const { name, secrets, callback } = SHAPES[key];
  return {
    key,
    name,
    ...(await stateOf(context, key, settings[key].active, changes)),
    active: shown.active,
    hasModes: shown.production !== undefined,
    production: shown.production === true,
    methods: typeof shown.methods === 'string' ? shown.methods : shown.methods.join(', '),
    methodsId: `${key}-methods`,
    methodsHint: context.t(`gateways.methods-hint-${key}`),
    secrets: Object.entries(secrets).map(([field, secret]) => ({
      field,
      label: context.t(`gateways.secret-${field}`),
      change: changedBy(context, changes.get(secret)),
    })),
    hasKeys: allSet(key, changes),
    callback: `${context.publicUrl}${callback}`,
    told: await lastToldAt(context.db, key, context.now - TOLD_WITHIN),
    steps: [1, 2, 3].map((step) => context.t(`gateways.step-${key}-${step}`)),
  };
}

const allSet = (key: GatewayName, changes: Changes): boolean =>
  Object.values(SHAPES[key].secrets).every((secret) => changes.has(secret));

/** Whether customers are offered it, and if not, why. */
async function stateOf(context: Context, key: GatewayName, active: boolean, changes: Changes) {
  const words = (is: 'off' | 'on' | 'no-keys' | 'unreadable', tone: string) => ({
    tone,
    state: context.t(`gateways.state-${is}`),
    remedy: tone === 'bad' ? context.t(`gateways.remedy-${is}`) : null,
  });
  if (!active) return words('off', 'off');
  if (!allSet(key, changes)) return words('no-keys', 'bad');
  return (await context.opened.gateways.named(key)) === null ? words('unreadable', 'bad') : words('on', 'good');
}

/** `oleh rina, 2 hari lalu`; null when it is not set. */
function changedBy(context: Context, change: LastChange | undefined): string | null {
  if (change === undefined) return null;
  return context.t('gateways.set-by', { by: actorWords(context, change.by), when: context.format.ago(change.at) });
}

async function warnings(context: Context, settings: Settings['gateways']): Promise<string[]> {
  const { publicUrl } = context.parts;
  const isAnyActive = GATEWAYS.some((key) => settings[key].active);
  return [
    ...(isAnyActive ? [] : [context.t('gateways.warn-none')]),
    ...(publicUrl === null ? [context.t('gateways.warn-no-address')] : []),
    ...(publicUrl?.startsWith('http:') ? [context.t('gateways.warn-plain')] : []),
    ...(settings.midtrans.active && !settings.midtrans.production ? [context.t('gateways.warn-sandbox')] : []),
  ];
}
