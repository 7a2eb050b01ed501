import type { FastifyReply } from 'fastify';
import { writeCsv } from '#operations/csv';
import { portalAddress } from '#portal/admin/customer/slip';
import { STOPPED } from '#portal/admin/jobs/each';
import { type MadePin, type Task, type TaskKind, Tasks } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { hasWords } from '#portal/shared/words';

const REFRESH_SECONDS = 2;
const ELSEWHERE_SECONDS = 5;
const SKIPPED_SHOWN = 200;

/** Adds the pages of work over many lines, and returns where other pages start such work. */
export function jobsPage(doors: Doors): Tasks {
  const tasks = new Tasks(doors.clock, doors.node, (error, kind) =>
    doors.log.error({ err: error, kind }, 'work over many lines failed'),
  );
  doors.app.addHook('onClose', () => tasks.close());

  doors.staff('GET', '/jobs/:id', 'see', async (context) => {
    const task = taskOf(context, tasks);
    if (task === null) return gone(context, tasks);
    const title = context.t(`jobs.kind-${task.kind}`);
    const running = task.endedAt === null;
    const options = { title, active: 'customers', ...(running ? { refreshSeconds: REFRESH_SECONDS } : {}) };
    return context.page('admin/jobs/job', { title, task, ...progressOf(context, task) }, options);
  });

  doors.staff('GET', '/jobs/:id/progress', 'see', async (context) => {
    const task = taskOf(context, tasks);
    if (task !== null) return context.part('admin/jobs/_progress', { task, ...progressOf(context, task) });
    // The page keeps what it shows, and asks again: the next answer may be of the node that has the work.
    if (tasks.elsewhere(idOf(context)) !== null) context.reply.code(404);
    return context.part('admin/jobs/_gone', {});
  });

  doors.staff('POST', '/jobs/:id/stop', 'subscribers', async (context) => {
    const task = taskOf(context, tasks);
    if (task === null) return goneAct(context, tasks);
    tasks.stop(context.staff.id, task.id);
    return context.redirect(`/jobs/${task.id}`);
  });

  doors.staff('POST', '/jobs/:id/pins', 'subscribers', async (context) => {
    const task = taskOf(context, tasks);
    if (task === null) return goneAct(context, tasks);
    return pinSheet(context, task, tasks.takePins(context.staff.id, task.id));
  });
  return tasks;
}

/** Starts work over these subscribers and leads to its page. */
export function startTask(
  context: Context,
  tasks: Tasks,
  kind: TaskKind,
  total: number,
  work: Parameters<Tasks['start']>[3],
): FastifyReply {
  const task = tasks.start(context.staff.id, kind, total, work);
  return context.redirect(`/jobs/${task.id}`);
}

const idOf = ({ request }: Context): string => (request.params as { id: string }).id;

const taskOf = (context: Context, tasks: Tasks): Task | null => tasks.find(context.staff.id, idOf(context));

/** No work of that id here: another node has it, and then the page tries again until that one answers; or nobody. */
function gone(context: Context, tasks: Tasks): Promise<FastifyReply> {
  const there = tasks.elsewhere(idOf(context));
  const title = context.t(there === null ? 'jobs.gone-title' : 'jobs.elsewhere-title');
  const model = { title, there, here: context.parts.node };
  const again = there === null ? {} : { refreshSeconds: ELSEWHERE_SECONDS };
  return context.page('admin/jobs/gone', model, { title, active: 'customers', status: 404, ...again });
}

/** … for an act on it, of which nothing happened. */
async function goneAct(context: Context, tasks: Tasks): Promise<FastifyReply> {
  const id = idOf(context);
  const there = tasks.elsewhere(id);
  if (there === null) return gone(context, tasks);
  const text = context.t('jobs.act-elsewhere', { there });
  return context.redirect(`/jobs/${id}`, { kind: 'bad', text });
}

/** How far it is, and how long it will take at the pace so far. */
function progressOf(context: Context, task: Task) {
  const took = (task.endedAt ?? context.now) - task.startedAt;
  const left = task.done === 0 || task.endedAt !== null ? null : (took / task.done) * (task.total - task.done);
  return {
    running: task.endedAt === null,
    percent: task.total === 0 ? 100 : Math.floor((task.done / task.total) * 100),
    took,
    left: left === null ? null : remaining(context, left),
    ...(task.result === null ? {} : resultOf(context, task.result)),
  };
}

function resultOf(context: Context, { changed, skipped }: NonNullable<Task['result']>) {
  const reached = skipped.filter(({ why }) => !NOT_REACHED.includes(why));
  return {
    changed,
    notReached: skipped.length - reached.length,
    skippedCount: reached.length,
    skipped: reached.slice(0, SKIPPED_SHOWN).map(({ username, why }) => ({ username, why: whyWords(context, why) })),
    skippedMore: Math.max(0, reached.length - SKIPPED_SHOWN),
  };
}

/** As work over many lines says it of those that were not begun when somebody stopped it. */
const NOT_REACHED: readonly string[] = [STOPPED, 'stopped before it was their turn'];

function whyWords(context: Context, why: string): string {
  const key = `jobs.why-${why.replaceAll(' ', '-')}`;
  return hasWords(context.language, key) ? context.t(key) : context.said(why);
}

function remaining(context: Context, ms: number): string {
  return ms < 60_000
    ? context.t('jobs.seconds', { count: Math.max(1, Math.ceil(ms / 1000)) })
    : context.format.duration(ms);
}

async function pinSheet(context: Context, task: Task, pins: readonly MadePin[]): Promise<FastifyReply> {
  const title = context.t('jobs.pins-title');
  const { company } = await context.opened.settings();
  const address = portalAddress(context);
  return context.page(
    'admin/jobs/pins',
    { title, task, pins, company, address, csv: csvAddress(pins) },
    { title, active: 'customers' },
  );
}

/** The sheet as a file that stands in the page itself: asking for it once more would mean keeping the PINs. */
function csvAddress(pins: readonly MadePin[]): string {
  const csv = writeCsv(
    ['username', 'name', 'phone', 'portal_id', 'pin', 'message_queued'],
    pins.map((one) => [one.username, one.name, one.phone, one.portalId, one.pin, one.messageQueued]),
  );
  return `data:text/csv;charset=utf-8;base64,${Buffer.from(csv).toString('base64')}`;
}
