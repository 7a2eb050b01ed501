import type { FastifyReply } from 'fastify';
import { hasEnded } from '#domain/rollout';
import { listRevisions, revision, rolloutStatus } from '#operations/publish-policy';
import { diffPage } from '#portal/admin/policy/diff';
import { checked, checkModel, PATH } from '#portal/admin/policy/document';
import { editPage } from '#portal/admin/policy/edit';
import { planPage } from '#portal/admin/policy/plan';
import { rolloutModel, rolloutPages, whoWords } from '#portal/admin/policy/rollout';
import { simulatePage } from '#portal/admin/policy/simulate';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, rowNumber } from '#portal/shared/forms';
import { policyInForce, type RevisionRow } from '#storage/policy';

const PAGE_SIZE = 20;
const REFRESH_SECONDS = 2;

/** The policy that decides for everybody: what is in force, how one takes the place of another, and all there were. */
export function policyPage(doors: Doors): void {
  doors.staff('GET', PATH, 'policy', overview);
  doors.staff('GET', `${PATH}/revisions/:id`, 'policy', show);
  editPage(doors);
  planPage(doors);
  simulatePage(doors);
  rolloutPages(doors);
  diffPage(doors);
}

async function overview(context: Context): Promise<FastifyReply> {
  const before = rowNumber(field(formOf(context.request.query), 'before'));
  const [inForce, status, rows] = [
    await policyInForce(context.db),
    await rolloutStatus(context.db),
    await listRevisions(context.db, { limit: PAGE_SIZE + 1, before }),
  ];
  const found = inForce === null ? null : await revision(context.db, inForce.id, context.parts.zone);
  const active = status !== null && !hasEnded(status.stage);
  const title = context.t('policy.title');
  const model = {
    title,
    found: found === null ? null : { ...found, who: whoWords(context, found.createdBy), rules: found.document.rules },
    rollout: status === null ? null : rolloutModel(context, status),
    active,
    rows: rows.slice(0, PAGE_SIZE).map((row) => rowModel(context, row)),
    inForceId: inForce?.id ?? null,
    older: rows.length > PAGE_SIZE ? rows[PAGE_SIZE - 1]!.id : null,
    first: before === null,
  };
  const options = {
    title,
    active: 'policy',
    policy: true,
    ...(active ? { refreshSeconds: REFRESH_SECONDS } : {}),
  } as const;
  return context.page('admin/policy/policy', model, options);
}

const rowModel = (context: Context, row: RevisionRow) => ({
  ...row,
  noteText: row.note === '' ? context.t('policy.no-note') : context.said(row.note),
  who: whoWords(context, row.createdBy),
  state: row.inForce ? 'in-force' : row.publishedAt === null ? 'saved' : 'was',
  stateText: context.t(`policy.state-${row.inForce ? 'in-force' : row.publishedAt === null ? 'saved' : 'was'}`),
});

/** One revision with its document, and what is found in it. */
async function show(context: Context): Promise<FastifyReply> {
  const id = rowNumber((context.request.params as { id: string }).id);
  const found = id === null ? null : await revision(context.db, id, context.parts.zone);
  const title = context.t('policy.revision-title', { revision: id ?? 0 });
  if (found === null) {
    const gone = context.t('policy.no-such-revision');
    return context.page(
      'shared/message',
      { title: gone, text: context.t('policy.no-such-revision-text') },
      { title: gone, active: 'policy', status: 404 },
    );
  }
  const inForce = await policyInForce(context.db);
  const model = {
    title,
    found: { ...found, ...rowModel(context, found) },
    check: checkModel(context, checked(context, found.text)),
    inForceId: inForce?.id ?? null,
  };
  return context.page('admin/policy/revision', model, { title, active: 'policy', policy: true });
}
