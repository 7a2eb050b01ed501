import type { FastifyReply } from 'fastify';
import { documentJsonSchema, type PolicyCheck } from '#domain/policy-document';
import { revision, type SaveResult, savePolicy } from '#operations/publish-policy';
import { checked, checkModel, DOCUMENT_BODY_BYTES, documentOf, PATH, phrases } from '#portal/admin/policy/document';
import { whoWords } from '#portal/admin/policy/rollout';
import { askedIn, routerNames } from '#portal/admin/policy/simulate';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, rowNumber } from '#portal/shared/forms';
import { newestRevision } from '#storage/policy';

const LONGEST_NOTE = 200;

/** Where a document is written, checked while it is, and saved as a revision. */
export function editPage(doors: Doors): void {
  doors.staff('GET', `${PATH}/edit`, 'policy', open);
  const large = { bodyLimit: DOCUMENT_BODY_BYTES };
  // Also comes back from a page that was shown of what is being written.
  doors.staff('POST', `${PATH}/edit`, 'policy', (context) => editor(context, typedIn(context)), large);
  doors.staff('POST', `${PATH}/check`, 'policy', check, large);
  doors.staff('POST', `${PATH}/save`, 'policy', save, large);
  doors.staff('GET', `${PATH}/schema`, 'policy', async ({ reply }) =>
    reply.header('cache-control', 'private, max-age=3600').send(documentJsonSchema()),
  );
}

/** What an engineer writes: the document, what is said of it, and the newest revision when the editor was opened. */
type Typed = { readonly text: string; readonly note: string; readonly base: number | null };

export function typedIn(context: Context): Typed {
  const form = formOf(context.request.body);
  return { text: documentOf(form), note: field(form, 'note'), base: rowNumber(field(form, 'base')) };
}

/** The editor with the newest revision, or with an older one to begin from. */
async function open(context: Context): Promise<FastifyReply> {
  const newest = await newestRevision(context.db);
  const from = rowNumber(field(formOf(context.request.query), 'from')) ?? newest?.id ?? null;
  const found = from === null ? null : await revision(context.db, from, context.parts.zone);
  const base = newest?.id ?? null;
  return editor(context, { text: found === null ? '' : editedFrom(found.text, base), note: '', base });
}

/** A document says which revision it was edited from: of one that is opened anew, the newest. */
const editedFrom = (text: string, base: number | null): string =>
  text.replace(/^revision:[ \t]*\d+/m, `revision: ${base}`);

async function editor(
  context: Context,
  typed: Typed,
  {
    check: found = checked(context, typed.text),
    faults = [],
    status = 200,
  }: {
    readonly check?: PolicyCheck;
    readonly faults?: readonly string[];
    readonly status?: number;
  } = {},
): Promise<FastifyReply> {
  const title = context.t('policy.edit-title');
  const model = {
    title,
    typed,
    faults: faults.length === 0 ? null : { of: {}, others: faults },
    check: checkModel(context, found),
    phrases: phrases(context),
    routers: await routerNames(context),
    asked: askedIn(context, formOf(context.request.body)),
  };
  return context.page('admin/policy/edit', model, { title, active: 'policy', policy: true, status });
}

/** Says what is wrong with a document: to the editor's script as JSON with a piece of the page, without one as the page. */
async function check(context: Context): Promise<FastifyReply> {
  const typed = typedIn(context);
  if (!context.request.headers.accept?.includes('application/json')) return editor(context, typed);
  const model = checkModel(context, checked(context, typed.text));
  return context.reply.send({ ...model, html: context.piece('admin/policy/_policy-check', { check: model }) });
}

async function save(context: Context): Promise<FastifyReply> {
  const typed = typedIn(context);
  if (typed.note.length > LONGEST_NOTE)
    return editor(context, typed, { faults: [context.t('policy.fault-note')], status: 422 });
  const { dictionary } = context.opened.live.policy;
  const done = await attempt(() => savePolicy(context.desk, typed, dictionary));
  if (done.faults !== undefined) return editor(context, typed, { faults: done.faults, status: 422 });
  const saved = done.done;
  switch (saved.is) {
    case 'refused':
      return editor(context, typed, { check: saved.check, faults: [context.t('policy.fault-refused')], status: 422 });
    case 'conflict':
      return conflict(context, typed, saved);
    case 'saved': {
      const text = context.t('policy.saved', { revision: saved.revision });
      return context.redirect(`${PATH}/publish?revision=${saved.revision}`, { kind: 'good', text });
    }
  }
}

/** Somebody saved meanwhile: both texts, none of them lost, and who it was. What is saved from here knows of theirs. */
async function conflict(
  context: Context,
  typed: Typed,
  found: Extract<SaveResult, { is: 'conflict' }>,
): Promise<FastifyReply> {
  const theirs = await newestRevision(context.db);
  const title = context.t('policy.conflict-title');
  const shown = theirs === null ? null : await revision(context.db, theirs.id, context.parts.zone);
  const at = context.format.dateTime(found.at);
  const who = whoWords(context, found.by);
  const model = { title, typed, who, at, theirs: shown, base: theirs?.id ?? null, phrases: phrases(context) };
  return context.page('admin/policy/conflict', model, { title, active: 'policy', policy: true, status: 409 });
}
