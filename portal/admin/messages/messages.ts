import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { BY_HAND, NOTICES } from '#domain/notices';
import { localDate } from '#domain/time';
import { reasonCode } from '#domain/whatsapp';
import { type CsvValue, csvLines } from '#operations/csv';
import { cancelMessage, resend } from '#operations/messages';
import { listAddress, pagesOf, totalWords } from '#portal/admin/customers/listing';
import { stateWords } from '#portal/admin/whatsapp/state';
import { type Context, localPath } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, wholeNumber } from '#portal/shared/forms';
import { hasWords } from '#portal/shared/words';
import {
  type ListedMessage,
  listMessages,
  MESSAGE_STATES,
  type MessageFilter,
  streamMessages,
} from '#storage/log-lists';

const PATH = '/messages';
const PAGE_SIZE = 50;

/** Every message to subscribers and what became of it. The text of one that tells a PIN is on no page. */
export function messagesPage(doors: Doors): void {
  doors.staff('GET', PATH, 'see', list);

  doors.staff('GET', `${PATH}/export.csv`, 'see', async (context) => {
    const { filter } = asked(context);
    const name = `messages-${localDate(context.now, context.parts.zone)}.csv`;
    return context.reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvLines(COLUMNS, csvRows(context, filter)), { objectMode: false }));
  });

  const act = (verb: 'resend' | 'cancel', work: typeof resend | typeof cancelMessage) =>
    doors.staff('POST', `${PATH}/:id/${verb}`, 'messages', async (context) => {
      const id = wholeNumber((context.request.params as { id: string }).id) ?? 0;
      const done = await attempt<unknown>(() => work(context.desk, id));
      const back = localPath(field(formOf(context.request.body), 'back')) ?? PATH;
      const good = done.faults === undefined;
      const text = context.t(`messages.${good ? 'did' : 'cannot'}-${verb}`);
      return context.redirect(back, { kind: good ? 'good' : 'bad', text });
    });
  act('resend', resend);
  act('cancel', cancelMessage);
}

type Asked = {
  readonly q: string;
  readonly state: string | null;
  readonly notice: string | null;
  readonly filter: MessageFilter;
};

function asked(context: Context): Asked {
  const form = formOf(context.request.query);
  const q = field(form, 'q').slice(0, 100);
  const state = MESSAGE_STATES.find((one) => one === field(form, 'state')) ?? null;
  const notice = [...NOTICES, BY_HAND].find((one) => one === field(form, 'notice')) ?? null;
  const filter = {
    ...(q === '' ? {} : { search: q }),
    ...(state === null ? {} : { state }),
    ...(notice === null ? {} : { notice }),
  };
  return { q, state, notice, filter };
}

async function list(context: Context): Promise<FastifyReply> {
  const { q, state, notice, filter } = asked(context);
  const page = Math.max(1, wholeNumber(field(formOf(context.request.query), 'page')) ?? 1);
  const found = await listMessages(context.db, { ...filter, page, pageSize: PAGE_SIZE });
  const status = context.opened.live.whatsapp.status();
  const title = context.t('messages.title');
  return context.page(
    'admin/messages/messages',
    {
      title,
      q,
      state,
      notice,
      chips: [null, ...MESSAGE_STATES].map((one) => ({
        text: context.t(one === null ? 'messages.all' : `messages.state-${one}`),
        href: listAddress(PATH, { q, notice, state: one }),
        current: one === state,
      })),
      notices: [...NOTICES, BY_HAND].map((one) => ({
        key: one,
        text: context.t(`templates.notice-${one}`),
        chosen: one === notice,
      })),
      line: {
        ...stateWords(context, status),
        works: (status.state === 'connected' || status.state === 'elsewhere') && status.breakerUntil === null,
        breakerUntil: status.breakerUntil,
        maySet: context.allowed('settings'),
      },
      rows: found.rows.map((row) => rowOf(context, row)),
      total: totalWords(context, found),
      nothingYet: found.total === 0 && q === '' && state === null && notice === null,
      pages: pagesOf(found, page, PAGE_SIZE, (to) => listAddress(PATH, { q, state, notice, page: to })),
      here: listAddress(PATH, { q, state, notice, page }),
      exportHref: listAddress(`${PATH}/export.csv`, { q, state, notice }),
      maySend: context.allowed('messages'),
    },
    { title, active: 'messages' },
  );
}

const TONES = { queued: 'warn', sent: '', delivered: 'good', read: 'good', failed: 'bad', cancelled: '' } as const;

function rowOf(context: Context, row: ListedMessage) {
  const reached = row.readAt ?? row.deliveredAt ?? row.sentAt ?? row.failedAt ?? row.cancelledAt;
  const named = row.name === null || row.name === '' ? row.username : row.name;
  return {
    ...row,
    named,
    shown: named ?? `+${row.phone}`,
    noticeText: context.t(`templates.notice-${row.notice}`),
    stateText: context.t(`messages.state-${row.state}`),
    tone: TONES[row.state],
    reached,
    reasonText: row.reason === null ? null : reasonWords(context, row.reason),
    // What arrived is not offered to be sent twice.
    mayResend: row.state === 'sent' || row.state === 'failed' || row.state === 'cancelled',
    mayCancel: row.state === 'queued',
  };
}

/** Why a message waits or failed, in the reader's words; what WhatsApp itself said follows. */
export function reasonWords(context: Context, reason: string): string {
  const code = reasonCode(reason);
  const more = reason.slice(code.length + 1).trim();
  const key = `messages.reason-${code}`;
  const text = hasWords(context.language, key) ? context.t(key) : code;
  if (more === '') return text;
  const inner = `messages.reason-${reasonCode(more)}`;
  return `${text} ${hasWords(context.language, inner) ? context.t(inner) : more}`;
}

const COLUMNS = [
  'id',
  'queued_at',
  'username',
  'name',
  'phone',
  'notice',
  'state',
  'transport',
  'sent_at',
  'delivered_at',
  'read_at',
  'failed_at',
  'reason',
] as const;

async function* csvRows(context: Context, filter: MessageFilter): AsyncGenerator<readonly CsvValue[]> {
  const instant = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  for await (const chunk of streamMessages(context.db, filter)) {
    yield* chunk.map((row): readonly CsvValue[] => [
      row.id,
      instant(row.queuedAt),
      row.username,
      row.name,
      row.phone,
      row.notice,
      row.state,
      row.transport,
      instant(row.sentAt),
      instant(row.deliveredAt),
      instant(row.readAt),
      instant(row.failedAt),
      row.reason,
    ]);
  }
}
