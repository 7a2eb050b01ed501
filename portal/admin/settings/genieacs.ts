import type { FastifyReply } from 'fastify';
import { InvalidInput } from '#domain/errors';
import {
  type SecretSetting,
  type Settings,
  saveSettings,
  setSecretSetting,
  settingChanges,
} from '#operations/settings';
import { faultsByField, lastChange, tabs } from '#portal/admin/settings/frame';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';

const PATH = '/settings/genieacs';
const PASSWORD: SecretSetting = 'genieacs.password';
/** As `setSecretSetting` takes it; empty = as it is. */
const SECRET = /^[\x21-\x7e]{0,1000}$/;

type Metric = keyof Settings['genieacs']['paths'];
const METRICS: readonly Metric[] = [
  'pppUsername',
  'pppIp',
  'rxPower',
  'temperature',
  'uptime',
  'connectedDevices',
  'ssid',
  'ssidEnabled',
  'wifiPassword',
];

/** Where GenieACS is, whether it answers, and at which paths modems tell what is shown of them. */
export function genieAcsPage(doors: Doors): void {
  doors.staff('GET', PATH, 'settings', (context) => page(context));
  doors.staff('POST', PATH, 'settings', save);
  doors.staff('POST', `${PATH}/test`, 'settings', async (context) => {
    const { ok, says } = await context.opened.live.onts.test();
    return context.redirect(PATH, {
      kind: ok ? 'good' : 'bad',
      text: context.t('genieacs.tested', { says: context.said(says) }),
    });
  });
}

async function save(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const typed = sectionOf(form);
  const saved = await attempt(async () => {
    const password = field(form, 'password');
    // Before anything is written: the settings and the secret are changes of their own.
    if (!SECRET.test(password)) throw new InvalidInput(['secret is not usable']);
    await saveSettings(context.desk, 'genieacs', typed);
    if (field(form, 'forget-password') === 'yes') await setSecretSetting(context.desk, PASSWORD, null);
    else if (password !== '') await setSecretSetting(context.desk, PASSWORD, password);
  });
  if (saved.faults !== undefined) return page(context, { faults: saved.faults, typed });
  return context.redirect(PATH, { kind: 'good', text: context.t('settings.saved') });
}

function sectionOf(form: Form) {
  return {
    url: field(form, 'url'),
    username: field(form, 'username'),
    informMinutes: field(form, 'informMinutes'),
    paths: Object.fromEntries(METRICS.map((metric) => [metric, field(form, `path-${metric}`)])),
  };
}

type More = { readonly faults?: readonly string[]; readonly typed?: ReturnType<typeof sectionOf> };

async function page(context: Context, { faults, typed }: More = {}): Promise<FastifyReply> {
  const { genieacs } = await context.opened.settings();
  const shown = typed ?? genieacs;
  const title = context.t('settings.tab-genieacs');
  return context.page(
    'admin/settings/genieacs',
    {
      title,
      tabs: tabs(context, 'genieacs'),
      here: PATH,
      url: shown.url,
      username: shown.username,
      informMinutes: shown.informMinutes,
      metrics: METRICS.map((metric) => {
        const paths: unknown = shown.paths[metric];
        return {
          metric,
          id: `path-${metric}`,
          label: context.t(`genieacs.path-${metric}`),
          value: Array.isArray(paths) ? paths.join('\n') : paths,
        };
      }),
      isSet: (await settingChanges(context.db)).has(PASSWORD),
      mayTest: genieacs.url !== null,
      faults: faults === undefined ? undefined : faultsByField(context, faults),
      changed: await lastChange(context, 'genieacs', PASSWORD),
    },
    { title, active: 'settings', status: faults === undefined ? 200 : 422 },
  );
}
