import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { localDate, nextLocalMidnight, parseInstant } from '#domain/time';
import { type CsvValue, csvLines } from '#operations/csv';
import { detailLines } from '#portal/admin/audit/detail';
import { listAddress } from '#portal/admin/customers/listing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, wholeNumber } from '#portal/shared/forms';
import { hasWords } from '#portal/shared/words';
import { type AuditFilter, type AuditRow, auditWords, listAudit, streamAudit } from '#storage/log-lists';
import { findSubscriber } from '#storage/subscribers';

const PATH = '/audit';
const PAGE_SIZE = 50;

/** Who changed what: a log that only grows. */
export function auditPage(doors: Doors): void {
  doors.staff('GET', PATH, 'audit', list);
  doors.staff('GET', `${PATH}/export.csv`, 'audit', async (context) => {
    const { filter, nobody } = await filterOf(context, readQuery(context));
    const name = `audit-${localDate(context.now, context.parts.zone)}.csv`;
    return context.reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvLines(COLUMNS, nobody ? none() : rowsOf(context, filter)), { objectMode: false }));
  });
}

const COLUMNS = ['id', 'at', 'actor', 'why', 'subscriber_id', 'username', 'detail'] as const;

async function* rowsOf(context: Context, filter: AuditFilter): AsyncGenerator<readonly CsvValue[]> {
  for await (const chunk of streamAudit(context.db, filter))
    for (const { id, at, actor, why, subscriberId, username, detail } of chunk)
      yield [id, new Date(at).toISOString(), actor, why, subscriberId, username, JSON.stringify(detail)];
}

async function* none(): AsyncGenerator<readonly CsvValue[]> {}

/** The log as its address asks for it. */
type Query = {
  readonly actor: string;
  readonly why: string;
  /** A user name. */
  readonly subscriber: string;
  /** Local days, `YYYY-MM-DD`, both included. */
  readonly from: string;
  readonly to: string;
};

function readQuery(context: Context): Query {
  const form = formOf(context.request.query);
  const text = (name: string) => field(form, name).slice(0, 253);
  const day = (name: string) => (/^\d{4}-\d\d-\d\d$/.test(text(name)) ? text(name) : '');
  return {
    actor: text('actor'),
    why: text('why'),
    subscriber: text('subscriber'),
    from: day('from'),
    to: day('to'),
  };
}

/** `nobody`: the subscriber that was asked for does not exist. */
async function filterOf(
  context: Context,
  query: Query,
): Promise<{ readonly filter: AuditFilter; readonly nobody: boolean }> {
  const { zone } = context.parts;
  const subscriber = query.subscriber === '' ? null : await findSubscriber(context.db, query.subscriber);
  const from = query.from === '' ? null : parseInstant(query.from, zone);
  const to = query.to === '' ? null : parseInstant(query.to, zone);
  const filter = {
    ...(query.actor === '' ? {} : { actor: query.actor }),
    ...(query.why === '' ? {} : { why: query.why }),
    ...(subscriber === null ? {} : { subscriberId: subscriber.id }),
    ...(from === null ? {} : { from }),
    ...(to === null ? {} : { to: nextLocalMidnight(to, zone) }),
  };
  return { filter, nobody: query.subscriber !== '' && subscriber === null };
}

async function list(context: Context): Promise<FastifyReply> {
  const query = readQuery(context);
  const before = wholeNumber(field(formOf(context.request.query), 'before'));
  const [{ filter, nobody }, words] = await Promise.all([filterOf(context, query), auditWords(context.db)]);
  const page = { ...filter, ...(before === null ? {} : { before }), limit: PAGE_SIZE + 1 };
  const found = nobody ? [] : await listAudit(context.db, page);
  const rows = found.slice(0, PAGE_SIZE);
  const title = context.t('audit.title');
  return context.page(
    'admin/audit/audit',
    {
      title,
      query,
      actors: words.actors.map((actor) => ({
        key: actor,
        text: whoWords(context, actor),
        chosen: actor === query.actor,
      })),
      verbs: words.verbs
        .map((why) => ({ key: why, text: whyWords(context, why), chosen: why === query.why }))
        .sort((one, other) => one.text.localeCompare(other.text, context.language)),
      rows: rows.map((row) => rowOf(context, row)),
      narrowed: Object.values(query).some((value) => value !== ''),
      filterCount: Object.values(query).filter((value) => value !== '').length,
      first: before === null,
      newest: listAddress(PATH, query),
      older: found.length > PAGE_SIZE ? listAddress(PATH, { ...query, before: rows.at(-1)!.id }) : null,
      exportHref: listAddress(`${PATH}/export.csv`, query),
    },
    { title, active: 'audit' },
  );
}

function rowOf(context: Context, row: AuditRow) {
  const lines = detailLines(context, row.detail);
  const [summary] = lines;
  return {
    ...row,
    who: whoWords(context, row.actor),
    what: whyWords(context, row.why),
    shown: row.username ?? context.t('audit.number', { number: row.subscriberId }),
    lines,
    summary,
    others: lines.length - 1,
    several: lines.length > 1,
  };
}

/** A verb of the log in words; one we have none for as it is. */
function whyWords(context: Context, why: string): string {
  const key = `audit.why-${why.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`;
  return hasWords(context.language, key) ? context.t(key) : why;
}

/** Who did it: a name of staff, a customer, the system, somebody at the command line. */
function whoWords(context: Context, actor: string): string {
  const [kind, name = ''] = actor.split(/:(.*)/s);
  if (kind === 'staff' && name !== '') return name;
  if ((kind === 'subscriber' || kind === 'portal') && name !== '') return context.t('audit.who-subscriber', { name });
  if (kind === 'cli') return context.t('audit.who-cli', { name });
  return kind === 'system' || kind === 'portal' ? context.t(`audit.who-${kind}`) : actor;
}
