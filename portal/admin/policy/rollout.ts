import type { FastifyReply } from 'fastify';
import { hasEnded, type RolloutStatus } from '#domain/rollout';
import { SECOND } from '#domain/time';
import { revision, rollBack, rolloutStatus, startRollout } from '#operations/publish-policy';
import { diffModel } from '#portal/admin/policy/diff';
import { PATH } from '#portal/admin/policy/document';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, rowNumber, wholeNumber } from '#portal/shared/forms';
import { policyInForce } from '#storage/policy';

/** How it is offered; an engineer may say otherwise. */
const OFFERED = { mode: 'canary', canary: '1', perSecond: '50', watch: '60' };
const MOST_A_SECOND = 100_000;
const LONGEST_WATCH_SECONDS = 24 * 3600;

/** Publishing a revision in steps, watching it, and taking it back. */
export function rolloutPages(doors: Doors): void {
  doors.staff('GET', `${PATH}/publish`, 'policy', (context) => {
    const id = rowNumber(field(formOf(context.request.query), 'revision'));
    return publishForm(context, id, OFFERED);
  });
  doors.staff('POST', `${PATH}/publish`, 'policy', publish);
  doors.staff('GET', `${PATH}/rollout`, 'policy', async (context) => {
    const status = await rolloutStatus(context.db);
    return context.part('admin/policy/_rollout', { rollout: status === null ? null : rolloutModel(context, status) });
  });
  doors.staff('POST', `${PATH}/rollback`, 'policy', takeBack);
}

type Typed = typeof OFFERED;

async function publishForm(
  context: Context,
  id: number | null,
  typed: Typed,
  faults: { readonly of: Readonly<Record<string, string>>; readonly others: readonly string[] } | null = null,
): Promise<FastifyReply> {
  const found = id === null ? null : await revision(context.db, id, context.parts.zone);
  if (found === null) return context.redirect(PATH, { kind: 'bad', text: context.t('policy.no-such-revision') });
  const inForce = await policyInForce(context.db);
  const before = inForce === null ? null : await revision(context.db, inForce.id, context.parts.zone);
  const status = await rolloutStatus(context.db);
  const title = context.t('policy.publish-title', { revision: found.id });
  const model = {
    title,
    found,
    typed,
    faults,
    before,
    diff: diffModel(before?.text ?? '', found.text),
    busy: status !== null && !hasEnded(status.stage) ? rolloutModel(context, status) : null,
  };
  const code = faults === null ? 200 : 422;
  return context.page('admin/policy/publish', model, { title, active: 'policy', policy: true, status: code });
}

async function publish(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const id = rowNumber(field(form, 'revision'));
  const typed = typedIn(form);
  const { order, faults } = orderOf(context, typed);
  if (order === null) return publishForm(context, id, typed, { of: faults, others: [] });
  const started = await attempt(() => startRollout(context.desk, { revision: id ?? 0, ...order }));
  if (started.faults !== undefined) return publishForm(context, id, typed, { of: {}, others: started.faults });
  context.opened.live.wakeEnforcement();
  return context.redirect(PATH, { kind: 'good', text: context.t('policy.started', { revision: id ?? 0 }) });
}

const typedIn = (form: Form): Typed => ({
  mode: field(form, 'mode') === 'all' ? 'all' : 'canary',
  canary: field(form, 'canary'),
  perSecond: field(form, 'perSecond'),
  watch: field(form, 'watch'),
});

function orderOf(context: Context, typed: Typed) {
  const faults: Record<string, string> = {};
  const percent = /^\d{1,3}([.,]\d{1,4})?$/.test(typed.canary) ? Number(typed.canary.replace(',', '.')) : Number.NaN;
  const perSecond = wholeNumber(typed.perSecond) ?? 0;
  const watchSeconds = wholeNumber(typed.watch) ?? -1;
  const canary = typed.mode === 'all' ? null : percent / 100;
  if (canary !== null && !(canary > 0 && canary <= 1)) faults.canary = context.t('policy.fault-canary');
  if (perSecond < 1 || perSecond > MOST_A_SECOND) faults.perSecond = context.t('policy.fault-pace');
  if (canary !== null && (watchSeconds < 0 || watchSeconds > LONGEST_WATCH_SECONDS))
    faults.watch = context.t('policy.fault-watch');
  const order = { canary, perSecond, watchSeconds: Math.max(0, watchSeconds) };
  return { faults, order: Object.keys(faults).length > 0 ? null : order };
}

async function takeBack(context: Context): Promise<FastifyReply> {
  const reason = field(formOf(context.request.body), 'reason').slice(0, 200);
  const taken = await attempt(() => rollBack(context.desk, { reason }));
  if (taken.faults !== undefined)
    return context.redirect(PATH, { kind: 'bad', text: taken.faults.map((fault) => context.said(fault)).join(' ') });
  context.opened.live.wakeEnforcement();
  return context.redirect(PATH, {
    kind: 'good',
    text: context.t('policy.rolling-back', { revision: taken.done.from }),
  });
}

const TONES: Readonly<Record<RolloutStatus['stage'], string>> = {
  canary: 'warn',
  spreading: 'warn',
  done: 'good',
  stopped: 'bad',
  'rolling-back': 'warn',
  'rolled-back': 'off',
};

/** A rollout as a page shows it: how far it is, how routers took it, and what would stop it. */
export function rolloutModel(context: Context, status: RolloutStatus) {
  const { live, limits, stage } = status;
  const ended = hasEnded(stage);
  const share = (count: number) => (live.wanted === 0 ? 0 : count / live.wanted);
  const percent = (value: number) => `${context.format.number(Math.round(value * 1000) / 10)}%`;
  const sign = (key: 'naks' | 'timeouts' | 'lost') => ({
    key,
    text: context.t(`policy.live-${key}`),
    count: live[key],
    share: percent(share(live[key])),
    limit: percent(limits[key]),
    over: share(live[key]) > limits[key],
  });
  return {
    ...status,
    ended,
    stageText: context.t(`policy.stage-${stage}`),
    stageHint: context.t(`policy.hint-${stage}`, { revision: status.to, before: status.from }),
    tone: TONES[stage],
    sharePercent: percent(status.share),
    value: Math.round(status.share * 1000),
    who: whoWords(context, status.startedBy),
    reasonText: status.reason === null ? null : context.said(status.reason),
    canaryPercent: status.canary === null ? null : percent(status.canary),
    watches: context.t('policy.seconds', { count: status.watchSeconds }),
    took: context.format.duration((status.endedAt ?? context.now) - status.startedAt),
    left: leftWords(context, status),
    signs: [sign('naks'), sign('timeouts'), sign('lost')],
    mayTakeBack: stage === 'canary' || stage === 'spreading' || stage === 'done',
  };
}

function leftWords(context: Context, { expectedEnd }: RolloutStatus): string | null {
  if (expectedEnd === null) return null;
  const left = Math.max(0, expectedEnd - context.now);
  return left < 60 * SECOND
    ? context.t('policy.seconds', { count: Math.ceil(left / SECOND) })
    : context.format.duration(left);
}

/** A name of staff, somebody at the command line, or the system. */
export function whoWords(context: Context, actor: string): string {
  const [kind, name = ''] = actor.split(/:(.*)/s);
  if (kind === 'staff' && name !== '') return name;
  if (kind === 'cli') return context.t('audit.who-cli', { name });
  return kind === 'system' ? context.t('audit.who-system') : actor;
}
