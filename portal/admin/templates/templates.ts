import type { FastifyReply } from 'fastify';
import { LONGEST_TEMPLATE } from '#domain/template';
import { listTemplates, previewTemplate, resetTemplate, saveTemplate } from '#operations/templates';
import { actorWords } from '#portal/admin/customer/events';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';

const PATH = '/messages/templates';

/** The texts of the notices: edited per language, with a preview that sends and saves nothing. */
export function templatesPage(doors: Doors): void {
  doors.staff('GET', PATH, 'see', list);
  doors.staff('GET', `${PATH}/:notice/:language`, 'see', (context) => edit(context, {}));
  doors.staff('POST', `${PATH}/:notice/:language`, 'messages', async (context) => {
    const form = formOf(context.request.body);
    const given = { ...which(context), text: textOf(form.text) };
    if (field(form, 'do') === 'preview') {
      const preview = await attempt(async () => previewTemplate(given));
      return edit(context, {
        text: given.text,
        ...('done' in preview ? { preview: preview.done } : { faults: preview.faults }),
      });
    }
    const saved = await attempt(() => saveTemplate(context.desk, given));
    if (saved.faults !== undefined) return edit(context, { text: given.text, faults: saved.faults });
    return context.redirect(PATH, { kind: 'good', text: context.t('templates.saved') });
  });
  doors.staff('POST', `${PATH}/:notice/:language/reset`, 'messages', async (context) => {
    const done = await attempt(() => resetTemplate(context.desk, which(context)));
    if (done.faults !== undefined) return unknown(context);
    return context.redirect(PATH, { kind: 'good', text: context.t('templates.was-reset') });
  });
}

const which = (context: Context) => context.request.params as { readonly notice: string; readonly language: string };
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

async function list(context: Context): Promise<FastifyReply> {
  const title = context.t('templates.title');
  const all = await listTemplates(context.db);
  const notices = [...new Set(all.map((one) => one.notice))].map((notice) => ({
    text: context.t(`templates.notice-${notice}`),
    when: context.t(`templates.when-${notice}`),
    languages: all
      .filter((one) => one.notice === notice)
      .map((one) => ({
        href: `${PATH}/${notice}/${one.language}`,
        name: context.t(`templates.short-${one.language}`),
        label: context.t('templates.edit-of', {
          notice: context.t(`templates.notice-${notice}`),
          language: context.t(`templates.language-${one.language}`),
        }),
        edited: one.edited === null ? null : { by: actorWords(context, one.edited.changedBy) },
      })),
  }));
  return context.page('admin/templates/templates', { title, notices }, { title, active: 'messages' });
}

type Edited = { readonly text?: string; readonly preview?: string; readonly faults?: readonly string[] };

async function edit(context: Context, { text, preview, faults }: Edited): Promise<FastifyReply> {
  const { notice, language } = which(context);
  const found = (await listTemplates(context.db)).find((one) => one.notice === notice && one.language === language);
  if (found === undefined) return unknown(context);
  const title = context.t(`templates.notice-${notice}`);
  const model = {
    title,
    languageName: context.t(`templates.language-${language}`),
    action: `${PATH}/${notice}/${language}`,
    text: text ?? found.text,
    fields: found.fields.map((name) => ({ written: `{{${name}}}`, means: context.t(`templates.field-${name}`) })),
    edited: found.edited === null ? null : actorWords(context, found.edited.changedBy),
    when: context.t(`templates.when-${notice}`),
    most: LONGEST_TEMPLATE,
    preview,
    faults: text === '' ? [context.t('templates.fault-empty')] : faults,
    mayEdit: context.allowed('messages'),
  };
  return context.page('admin/templates/edit', model, {
    title,
    active: 'messages',
    status: faults === undefined ? 200 : 422,
  });
}

async function unknown(context: Context): Promise<FastifyReply> {
  const title = context.t('shared.not-found-title');
  return context.page('shared/message', { title, text: context.t('shared.not-found') }, { title, status: 404 });
}
