import type { FastifyReply } from 'fastify';
import { diffHunks, lineDiff } from '#domain/line-diff';
import { listRevisions, revision } from '#operations/publish-policy';
import { PATH } from '#portal/admin/policy/document';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, rowNumber } from '#portal/shared/forms';

/** Among how many of the newest revisions one chooses. */
const CHOICES = 50;

/** What one revision has that another has not, line by line. */
export function diffPage(doors: Doors): void {
  doors.staff('GET', `${PATH}/diff`, 'policy', show);
}

async function show(context: Context): Promise<FastifyReply> {
  const query = formOf(context.request.query);
  const [one, other] = [rowNumber(field(query, 'from')), rowNumber(field(query, 'to'))];
  const read = async (id: number | null) => (id === null ? null : revision(context.db, id, context.parts.zone));
  const [from, to] = [await read(one), await read(other)];
  if (from === null || to === null)
    return context.redirect(PATH, { kind: 'bad', text: context.t('policy.no-such-revision') });
  const title = context.t('policy.diff-title', { from: from.id, to: to.id });
  const recent = await listRevisions(context.db, { limit: CHOICES });
  const choices = [...new Set([...recent.map(({ id }) => id), from.id, to.id])].sort((a, b) => b - a);
  const diff = diffModel(from.text, to.text);
  const model = { title, from, to, diff, choices };
  return context.page('admin/policy/diff', model, { title, active: 'policy', policy: true });
}

/** A comparison as its part shows it. */
export function diffModel(before: string, after: string) {
  const lines = lineDiff(before, after);
  const count = (kind: 'added' | 'removed') => lines.filter(({ is }) => is === kind).length;
  const [added, removed] = [count('added'), count('removed')];
  return { added, removed, same: added + removed === 0, hunks: diffHunks(lines) };
}
