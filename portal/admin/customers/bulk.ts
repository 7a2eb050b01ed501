import type { FastifyReply } from 'fastify';
import { InvalidInput } from '#domain/errors';
import type { Desk } from '#operations/desk';
import { editSubscriber } from '#operations/edit-subscriber';
import { issuePin } from '#operations/issue-pin';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { previewMigration } from '#operations/preview-migration';
import { resume } from '#operations/resume';
import { suspend } from '#operations/suspend';

import { type CustomerQuery, fieldsOf, filterOf, readQuery } from '#portal/admin/customers/query';
import { eachOf, type One } from '#portal/admin/jobs/each';
import { startTask } from '#portal/admin/jobs/jobs';
import type { TaskKind, Tasks, TaskWork } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { type Form, field, fields, formOf, wholeNumber } from '#portal/shared/forms';
import { subscriberIdsMatching } from '#storage/lists';
import { subscriberProfile } from '#storage/subscriber-profile';
import { findSubscriberAccount, type SubscriberAccount } from '#storage/subscribers';

const KINDS: readonly TaskKind[] = ['migrate', 'suspend', 'resume', 'tag', 'untag', 'pins'];
/** Rough milliseconds a line takes, for "how long" before it begins: hashing a PIN is most of it where one is made. */
const LINE_MS: Readonly<Record<TaskKind, number>> = { migrate: 20, pins: 20, suspend: 5, resume: 5, tag: 8, untag: 8 };
const NAMES_SHOWN = 10;

/** What is done to a selection: first a page that says to how many, then the work itself. */
export function bulkRoutes(doors: Doors, tasks: Tasks): void {
  doors.staff('POST', '/customers/bulk', 'subscribers', async (context) => {
    const asked = await askedOf(context);
    return asked === null ? nobody(context) : preview(context, asked);
  });

  doors.staff('POST', '/customers/bulk/start', 'subscribers', async (context) => {
    const asked = await askedOf(context);
    if (asked === null) return nobody(context);
    const fault = tagFault(context, asked);
    if (fault !== null) return preview(context, asked, fault);
    return startTask(context, tasks, asked.kind, asked.ids.length, workOf(context.desk, asked));
  });
}

type Asked = {
  readonly kind: TaskKind;
  readonly ids: readonly number[];
  /** The whole list as narrowed, and not single lines of it. */
  readonly all: boolean;
  readonly query: CustomerQuery;
  readonly tag: string;
};

/** Whom and what a form is about; null when that is nobody. */
async function askedOf(context: Context): Promise<Asked | null> {
  const form = formOf(context.request.body);
  const kind = KINDS.find((one) => one === field(form, 'do'));
  const query = readQuery(field(form, 'path') === '/prepaid/customers' ? '/prepaid/customers' : '/customers', form);
  const all = field(form, 'all') === 'yes';
  const ids = all ? await subscriberIdsMatching(context.db, filterOf(query), context.now) : pickedIn(form);
  return kind === undefined || ids.length === 0 ? null : { kind, ids, all, query, tag: field(form, 'with') };
}

const pickedIn = (form: Form): number[] => [
  ...new Set(fields(form, 'id').flatMap((text) => text.split(',').flatMap((one) => wholeNumber(one) ?? []))),
];

async function preview(context: Context, asked: Asked, fault?: string): Promise<FastifyReply> {
  const { kind, ids, all, query } = asked;
  const count = ids.length;
  const names = await Promise.all(ids.slice(0, NAMES_SHOWN).map((id) => findSubscriberAccount(context.db, id)));
  const migration = kind === 'migrate' ? await previewMigration(context.desk, ids) : null;
  const acts = migration?.willMove ?? count;
  const title = context.t(`customers.preview-${kind}`, { count: acts });
  return context.page(
    'admin/customers/bulk',
    {
      title,
      kind,
      explanation: context.t(`customers.explain-${kind}`),
      fault,
      tag: asked.tag,
      asksTag: kind === 'tag' || kind === 'untag',
      names: names.filter((one) => one !== null).map((one) => ({ id: one.id, shown: shownName(one) })),
      others: Math.max(0, count - NAMES_SHOWN),
      count,
      acts,
      migration,
      seconds: durationText(context, acts * LINE_MS[kind]),
      all,
      carried: all ? fieldsOf({ ...query, page: 1 }) : [],
      path: query.path,
      ids: all ? '' : ids.join(','),
    },
    { title, active: 'customers', status: fault === undefined ? 200 : 422 },
  );
}

const shownName = ({ name, username }: SubscriberAccount): string => (name === '' ? username : name);

function durationText(context: Context, ms: number): string {
  return ms < 60_000
    ? context.t('customers.seconds', { count: Math.max(1, Math.ceil(ms / 1000)) })
    : context.format.duration(ms);
}

function nobody(context: Context): FastifyReply {
  const form = formOf(context.request.body);
  const path = field(form, 'path') === '/prepaid/customers' ? '/prepaid/customers' : '/customers';
  return context.redirect(path, { kind: 'bad', text: context.t('customers.picked-nobody') });
}

function tagFault(context: Context, { kind, tag }: Asked): string | null {
  if (kind !== 'tag' && kind !== 'untag') return null;
  return /^[^\s,\p{Cc}]{1,50}$/u.test(tag) ? null : context.t('customers.tag-fault');
}

function workOf(desk: Desk, { kind, ids, tag }: Asked): TaskWork {
  if (kind === 'migrate') {
    return async (report, signal) => {
      const { moved, skipped } = await migrateToPrepaid(desk, ids, { onProgress: report, signal });
      return { changed: moved.length, pins: moved, skipped };
    };
  }
  return eachOf(ids, (id) => ACTS[kind](desk, id, tag));
}

/** What is done to one line; `unchanged` says that it was so already. */
const ACTS: Readonly<Record<Exclude<TaskKind, 'migrate'>, (desk: Desk, id: number, tag: string) => Promise<One>>> = {
  suspend: async (desk, id) => {
    const { username } = await accountOf(desk, id);
    return { username, changed: (await suspend(desk, username)).changed };
  },
  resume: async (desk, id) => {
    const { username } = await accountOf(desk, id);
    return { username, changed: (await resume(desk, username)).changed };
  },
  tag: (desk, id, tag) => retag(desk, id, (tags) => (tags.includes(tag) ? tags : [...tags, tag])),
  untag: (desk, id, tag) => retag(desk, id, (tags) => tags.filter((one) => one !== tag)),
  pins: async (desk, id) => {
    const { username, name, phone } = await accountOf(desk, id);
    const issued = await issuePin(desk, id, { send: true });
    return { username, changed: true, pin: { username, name, phone, ...issued } };
  },
};

async function accountOf(desk: Desk, id: number): Promise<SubscriberAccount> {
  const account = await findSubscriberAccount(desk.db, id);
  if (account === null) throw new InvalidInput(['there is nobody of that number any more']);
  return account;
}

async function retag(desk: Desk, id: number, of: (tags: readonly string[]) => readonly string[]): Promise<One> {
  const profile = await subscriberProfile(desk.db, id);
  if (profile === null) throw new InvalidInput(['there is nobody of that number any more']);
  const tags = of(profile.tags);
  const { changed } = await editSubscriber(desk, { id, tags });
  return { username: profile.username, changed: changed.length > 0 };
}
