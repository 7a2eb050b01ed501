import type { FastifyReply } from 'fastify';
import { InvalidInput } from '#domain/errors';
import { NOTICES } from '#domain/notices';
import { internationalDigits } from '#domain/phone';
import type { WhatsAppStatus } from '#domain/whatsapp';
import { sendTest } from '#operations/messages';
import { type SecretSetting, saveSettings, setSecretSetting } from '#operations/settings';
import { qrSvg } from '#portal/admin/customer/slip';
import { reasonWords } from '#portal/admin/messages/messages';
import { faultsByField, lastChange, tabs } from '#portal/admin/settings/frame';
import { stateWords } from '#portal/admin/whatsapp/state';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { settingChanges } from '#storage/settings';

const PATH = '/settings/whatsapp';
const TRANSPORTS = ['off', 'baileys', 'cloud'] as const;

/** Secrets of the Cloud API by the name of their field. */
const SECRETS: Readonly<Record<string, SecretSetting>> = {
  token: 'whatsapp.cloud.token',
  appSecret: 'whatsapp.cloud.app-secret',
  verifyToken: 'whatsapp.cloud.verify-token',
};

/** How the company is linked to WhatsApp: its state, pairing, a test message, pace, and the Cloud API. */
export function whatsappPage(doors: Doors): void {
  doors.staff('GET', PATH, 'settings', (context) => page(context));
  doors.staff('GET', `${PATH}/state`, 'settings', async (context) =>
    context.part('admin/whatsapp/_whatsapp-state', await stateOf(context)),
  );
  doors.staff('POST', PATH, 'settings', save);
  doors.staff('POST', `${PATH}/pair`, 'settings', async (context) => {
    return commanded(context, await context.opened.live.whatsapp.pairByQr());
  });
  doors.staff('POST', `${PATH}/pair-code`, 'settings', async (context) => {
    const typed = field(formOf(context.request.body), 'phone');
    const digits = internationalDigits(typed);
    if (digits === null) return page(context, { codePhone: typed, codeFault: context.t('whatsapp.phone-fault') });
    return commanded(context, await context.opened.live.whatsapp.pairByCode(digits));
  });
  doors.staff('POST', `${PATH}/unpair`, 'settings', async (context) => {
    return commanded(context, await context.opened.live.whatsapp.unpair(), 'unpaired');
  });
  doors.staff('POST', `${PATH}/reconnect`, 'settings', async (context) => {
    return commanded(context, await context.opened.live.whatsapp.reconnect());
  });
  doors.staff('POST', `${PATH}/test`, 'settings', async (context) => {
    const typed = field(formOf(context.request.body), 'to');
    const sent = await attempt(() => sendTest(context.desk, typed));
    if (sent.faults !== undefined)
      return page(context, { testPhone: typed, testFault: context.t('whatsapp.phone-fault') });
    return context.redirect('/messages', { kind: 'good', text: context.t('whatsapp.test-queued') });
  });
}

/** The page again; the node that holds the line may have been too slow, or there may be none just now. */
function commanded(context: Context, done: boolean, says?: 'unpaired'): FastifyReply {
  if (!done) return context.redirect(PATH, { kind: 'bad', text: context.t('whatsapp.not-heard') });
  return context.redirect(PATH, says && { kind: 'good', text: context.t(`whatsapp.${says}`) });
}

async function save(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const text = (name: string) => field(form, name);
  const templates = Object.fromEntries(
    NOTICES.flatMap((notice) => (text(`template-${notice}`) === '' ? [] : [[notice, text(`template-${notice}`)]])),
  );
  const section = {
    transport: text('transport'),
    perMinute: text('perMinute'),
    perDay: text('perDay'),
    cloud: { phoneNumberId: text('phoneNumberId'), apiVersion: text('apiVersion'), templates },
  };
  const saved = await attempt(async () => {
    // Before anything is written: the settings and each secret are changes of their own.
    if (Object.keys(SECRETS).some((name) => !SECRET.test(text(name)))) throw new InvalidInput(['secret is not usable']);
    await saveSettings(context.desk, 'whatsapp', section);
    await saveSecrets(context, form);
  });
  if (saved.faults !== undefined)
    return page(context, { faults: saved.faults, typed: { ...section, ...section.cloud } });
  return context.redirect(PATH, { kind: 'good', text: context.t('settings.saved') });
}

/** As `setSecretSetting` takes it; empty = as it is. */
const SECRET = /^[\x21-\x7e]{0,1000}$/;

/** A secret left empty stays as it is; a tick takes it out. */
async function saveSecrets(context: Context, form: Form): Promise<void> {
  for (const [name, key] of Object.entries(SECRETS)) {
    if (field(form, `forget-${name}`) === 'yes') await setSecretSetting(context.desk, key, null);
    else if (field(form, name) !== '') await setSecretSetting(context.desk, key, field(form, name));
  }
}

type More = {
  readonly faults?: readonly string[];
  readonly typed?: Readonly<Record<string, unknown>>;
  readonly codePhone?: string;
  readonly codeFault?: string;
  readonly testPhone?: string;
  readonly testFault?: string;
};

async function page(context: Context, more: More = {}): Promise<FastifyReply> {
  const { whatsapp } = await context.opened.settings();
  const typed = { ...whatsapp, ...whatsapp.cloud, ...more.typed };
  const set = await settingChanges(context.db);
  const failed = more.faults !== undefined || more.codeFault !== undefined || more.testFault !== undefined;
  const title = context.t('settings.tab-whatsapp');
  const state = await stateOf(context);
  const inMotion = ['pairing', 'connecting', 'elsewhere'].includes(state.status.state) && !failed;
  return context.page(
    'admin/whatsapp/whatsapp',
    {
      title,
      tabs: tabs(context, 'whatsapp'),
      ...state,
      ...more,
      typed,
      faults: more.faults === undefined ? undefined : faultsByField(context, more.faults),
      transports: TRANSPORTS.map((key) => ({
        key,
        chosen: key === typed.transport,
        text: context.t(`whatsapp.transport-${key}`),
        hint: context.t(`whatsapp.transport-${key}-hint`),
      })),
      secrets: Object.entries(SECRETS).map(([name, key]) => ({
        name,
        label: context.t(`whatsapp.secret-${name}`),
        isSet: set.has(key),
      })),
      templates: NOTICES.map((notice) => ({
        notice,
        label: context.t(`templates.notice-${notice}`),
        value: typed.templates[notice] ?? '',
      })),
      webhook: `${context.publicUrl}/webhooks/whatsapp`,
      changed: await lastChange(context, 'whatsapp', ...Object.values(SECRETS)),
    },
    { title, active: 'settings', status: failed ? 422 : 200, ...(inMotion ? { refreshSeconds: 5 } : {}) },
  );
}

/** Where the state alone does not say all. */
const TELLS_WHY: readonly WhatsAppStatus['state'][] = ['unpaired', 'pairing', 'connecting', 'blocked'];

/** The part of the page that refreshes itself. */
async function stateOf(context: Context) {
  const status = context.opened.live.whatsapp.status();
  const { state, transport, reason, qr, pairingCode } = status;
  const mayPair = transport === 'baileys' && ['unpaired', 'pairing', 'logged-out'].includes(state);
  return {
    status,
    ...stateWords(context, status),
    reason: reason !== null && TELLS_WHY.includes(state) ? reasonWords(context, reason) : null,
    qrSvg: qr === null ? null : await qrSvg(qr, context.t('whatsapp.qr')),
    mayPair,
    mayShowQr: mayPair && qr === null,
    mayUnpair:
      transport === 'baileys' && ['connected', 'connecting', 'replaced', 'blocked', 'elsewhere'].includes(state),
    mayReconnect: transport === 'baileys' && ['replaced', 'blocked', 'connecting'].includes(state),
    mayTest: state === 'connected' || state === 'elsewhere',
    // What the page around this part depends on.
    key: [transport, state, qr === null ? '' : 'qr', pairingCode === null ? '' : 'code'].join(' ').trim(),
    here: PATH,
  };
}
