import type { FastifyReply } from 'fastify';
import type { Ont } from '#domain/acs';
import { SECOND } from '#domain/time';
import { orderOnt } from '#operations/wifi';
import { noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import { ontWords } from '#portal/customer/ont/ont';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt } from '#portal/shared/forms';
import { type OntTask, ontTasksOf } from '#storage/acs';
import type { SubscriberProfile } from '#storage/subscriber-profile';

const TASKS_SHOWN = 3;
const SETTLES_MS = 5 * SECOND;

/**
 * The ONT on a subscriber's page, and what may be done with it: whoever may end a session may also restart the modem, or
 * have it read anew.
 */
export function ontRoutes(doors: Doors): void {
  doors.staff('POST', '/customers/:id/ont/refresh', 'sessions', (context) =>
    onCustomer(context, async ({ id }) => {
      const ont = await context.opened.live.onts.readNow(id);
      if (ont === null) return { kind: 'bad', text: context.t('ont-staff.none-set') };
      if (ont.error !== null)
        return { kind: 'bad', text: context.t('ont-staff.not-read', { why: context.said(ont.error) }) };
      if (ont.deviceId === null) return { kind: 'bad', text: context.t('ont-staff.not-found') };
      // On its way already is as good as asked.
      await attempt(() => orderOnt(context.desk, id, 'refresh'));
      context.opened.live.onts.wake();
      return { kind: 'good', text: context.t('ont-staff.read-asked') };
    }),
  );

  doors.staff('POST', '/customers/:id/ont/reboot', 'sessions', (context) =>
    onCustomer(context, async (profile) => {
      const asked = await attempt(() => orderOnt(context.desk, profile.id, 'reboot'));
      if (asked.faults !== undefined)
        return { kind: 'bad', text: asked.faults.map((one) => context.said(one)).join(' ') };
      context.opened.live.onts.wake();
      return { kind: 'good', text: context.t('ont-staff.reboot-asked', { name: shownName(profile) }) };
    }),
  );

  doors.staff('GET', '/customers/:id/ont', 'see', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    return context.part('admin/customer/_ont-card', { card: await ontCard(context, profile) });
  });
}

type Answer = { readonly kind: 'good' | 'bad'; readonly text: string };

async function onCustomer(
  context: Context,
  work: (profile: SubscriberProfile) => Promise<Answer>,
): Promise<FastifyReply> {
  const profile = await profileOf(context);
  if (profile === null) return noSuchCustomer(context);
  return context.redirect(`/customers/${profile.id}#ont`, await work(profile));
}

/** The card's model; null where there is no ACS. */
export async function ontCard(context: Context, { id, username }: SubscriberProfile) {
  const [ont, tasks, { genieacs }] = await Promise.all([
    context.opened.live.onts.ontOf(id),
    ontTasksOf(context.db, id, TASKS_SHOWN),
    context.opened.settings(),
  ]);
  if (ont === null) return null;
  const rows = tasks.map((task) => taskRow(context, task));
  const asking = ont.readAt === null && ont.error === null;
  return {
    id,
    ...ontWords(context, ont, null, genieacs.informMinutes),
    deviceId: ont.deviceId,
    pppUsername: ont.reading?.pppUsername ?? null,
    otherName: ont.reading !== null && ont.reading.pppUsername !== username ? username : null,
    pppIp: ont.reading?.pppIp ?? null,
    trouble: troubleOf(context, ont),
    conflict: ont.others === 0 ? null : context.t('ont-staff.conflict', { count: ont.others }),
    tasks: rows,
    mayAct: context.allowed('sessions'),
    mayReboot: context.allowed('sessions') && ont.deviceId !== null,
    waits: asking || tasks.some((task) => isMoving(task, context.now)),
  };
}

/** What a modem was told a moment ago it is just being read for. */
const isMoving = ({ state, endedAt }: OntTask, now: number): boolean =>
  state === 'queued' || state === 'sent' || (endedAt !== null && now - endedAt < SETTLES_MS);

const troubleOf = (context: Context, { error }: Ont): string | null =>
  error === null ? null : context.t('ont-staff.not-read', { why: context.said(error) });

const TONES = { queued: '', sent: '', waiting: 'warn', done: 'good', failed: 'bad' } as const;

function taskRow(context: Context, { kind, state, createdAt, endedAt, error }: OntTask) {
  const [code, ...more] = (error ?? '').split(': ');
  return {
    title: context.t(`ont-staff.task-${kind}`),
    words: context.t(`ont-staff.is-${state}`),
    tone: TONES[state],
    at: endedAt ?? createdAt,
    // Of a failure a code and what the other side said; of a task that goes on what is in its way.
    why:
      state !== 'failed'
        ? error === null
          ? null
          : context.said(error)
        : [context.t(`ont-staff.failed-${code}`), context.said(more.join(': '))]
            .filter((part) => part !== '')
            .join(': '),
  };
}
