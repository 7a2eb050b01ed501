import type { FastifyReply } from 'fastify';
import { DAY } from '#domain/time';
import { changeWifi } from '#operations/wifi';
import { ontModel } from '#portal/customer/ont/ont';
import { upgradePage, upgradeRoutes } from '#portal/customer/wifi/upgrade';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';
import { type OntTask, ontTasksOf } from '#storage/acs';

const PATH = '/customer/wifi';
const REFRESH_SECONDS = 3;
const RELOAD_SECONDS = 10;
/** Changes shown with how far they are. */
const TASKS_SHOWN = 3;

/** The customer's modem: how it is, the name and password of its WiFi; and, as another tab, a change of package. */
export function wifiPages(doors: Doors): void {
  doors.customer('GET', PATH, (context) =>
    field(formOf(context.request.query), 'tab') === 'upgrade' ? upgradePage(context) : wifi(context),
  );
  doors.customer('GET', `${PATH}/state`, async (context) => {
    const model = await progressOf(context);
    const { version } = formOf(context.request.query);
    if (version === model.version) return context.reply.code(204).send();
    return context.part('customer/wifi/_wifi-progress', model);
  });
  doors.customer('POST', PATH, async (context) => {
    const form = formOf(context.request.body);
    const { ssid, password } = form;
    // What was not typed is not changed; of a password no blank is taken off.
    const given = { ...(ssid === undefined ? {} : { ssid }), ...(password === undefined ? {} : { password }) };
    const { subscriberId } = context;
    const asked = await attempt(() => changeWifi(context.desk, { subscriberId, ...given }));
    if (asked.faults !== undefined) return wifi(context, asked.faults, field(form, 'ssid'));
    context.opened.live.onts.wake();
    return context.redirect(PATH);
  });
  upgradeRoutes(doors);
}

async function wifi(context: Context, faults?: readonly string[], typed?: string): Promise<FastifyReply> {
  const [ont, progress] = await Promise.all([ontModel(context), progressOf(context)]);
  const title = context.t('wifi.title');
  const model = {
    tab: { wifi: true },
    ont,
    ...progress,
    progress: progress.tasks.length > 0,
    refreshSeconds: REFRESH_SECONDS,
    ssid: typed || ont?.ssid,
    faults: faultsOf(context, faults),
  };
  const status = faults === undefined ? 200 : 422;
  const reload = progress.final || faults !== undefined ? {} : { refreshSeconds: RELOAD_SECONDS };
  return context.page('customer/wifi/wifi', model, { title, status, ...reload });
}

/** Beside their field where they are of one, else above the forms. */
function faultsOf(context: Context, faults: readonly string[] | undefined) {
  if (faults === undefined) return null;
  const found: Record<string, string> = {};
  for (const fault of faults) {
    const of = /^(ssid|password)\b/.exec(fault)?.[1];
    if (of === undefined) found.other = context.said(fault);
    else found[of] = context.t(`wifi.fault-${of}`);
  }
  return found;
}

const ICONS = { queued: 'clock', sent: 'clock', waiting: 'clock', done: 'check', failed: 'warning' } as const;
const TONES = { queued: '', sent: '', waiting: 'warn', done: 'good', failed: 'bad' } as const;

/** What became of the changes of the last day. */
async function progressOf(context: Context) {
  const tasks = (await ontTasksOf(context.db, context.subscriberId, TASKS_SHOWN)).filter(
    ({ kind, createdAt }) => kind !== 'refresh' && createdAt > context.now - DAY,
  );
  return {
    tasks: tasks.map((task) => ({
      title: context.t(`wifi.task-${task.kind}`),
      words: context.t(`wifi.is-${task.state}`),
      icon: ICONS[task.state],
      tone: TONES[task.state],
      at: task.endedAt ?? task.createdAt,
      means: meansOf(context, task),
    })),
    final: tasks.every(({ endedAt }) => endedAt !== null),
    version: tasks.map(({ id, state }) => `${id}-${state}`).join('.'),
  };
}

function meansOf(context: Context, { kind, state, error }: OntTask): string | null {
  if (state === 'failed') return context.t(`wifi.failed-${(error ?? 'unknown').split(':', 1)[0]}`);
  if (state === 'waiting') return context.t('wifi.waiting-means');
  return state === 'done' && kind === 'wifi' ? context.t('wifi.done-means') : null;
}
