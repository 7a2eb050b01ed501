import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** The text that was edited for a notice; null when it is as shipped. */
export async function editedText(q: Queryable, notice: string, language: Language): Promise<string | null> {
  const [row] = await q.query<{ body: string }>(
    'select body from message_template where notice = $1 and language = $2',
    [notice, language],
    'template-edited',
  );
  return row?.body ?? null;
}

export type EditedTemplate = {
  readonly notice: string;
  readonly language: Language;
  readonly body: string;
  readonly changedAt: Instant;
  readonly changedBy: string;
};

export async function editedTemplates(q: Queryable): Promise<EditedTemplate[]> {
  return q.query<EditedTemplate>(
    `select notice, language, body, changed_at as "changedAt", changed_by as "changedBy" from message_template
      order by notice, language`,
  );
}

export async function writeTemplate(q: Queryable, template: EditedTemplate): Promise<void> {
  await q.execute(
    `insert into message_template (notice, language, body, changed_at, changed_by) values ($1, $2, $3, $4::timestamptz, $5)
     on conflict (notice, language) do update
        set body = excluded.body, changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
    [template.notice, template.language, template.body, timestamp(template.changedAt), template.changedBy],
  );
}

/** Back to the text as shipped. False when it was that already. */
export async function dropTemplate(q: Queryable, notice: string, language: Language): Promise<boolean> {
  return (await q.execute('delete from message_template where notice = $1 and language = $2', [notice, language])) > 0;
}
