import type { FastifyReply } from 'fastify';
import type { Policy } from '#domain/policy';
import type { Impact, ImpactGroup, ImpactSample, ToldAttributes } from '#domain/policy-impact';
import { SECOND } from '#domain/time';
import { planPolicy } from '#operations/plan-policy';
import { revision } from '#operations/publish-policy';
import { checked, checkModel, DOCUMENT_BODY_BYTES, documentOf, PATH, wantsPart } from '#portal/admin/policy/document';
import { typedIn } from '#portal/admin/policy/edit';
import { type Band, flow } from '#portal/admin/policy/flow';
import { termsModel } from '#portal/admin/policy/terms';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, rowNumber } from '#portal/shared/forms';
import type { Database } from '#storage/database';

/** Rows of a table before the rest is counted only. */
const MOST_GROUPS = 50;
const MOST_ROUTERS = 20;

/** What an edit would do to everybody, before it does: of what is being written, or of a revision. */
export function planPage(doors: Doors): void {
  doors.staff('POST', `${PATH}/plan`, 'policy', planTyped, { bodyLimit: DOCUMENT_BODY_BYTES });
  doors.staff('GET', `${PATH}/plan`, 'policy', planRevision);
}

async function planTyped(context: Context): Promise<FastifyReply> {
  const check = checked(context, documentOf(formOf(context.request.body)));
  const typed = typedIn(context);
  if (check.policy === null) return shown(context, { check: checkModel(context, check), typed });
  return shown(context, { plan: await planOf(context, check.policy), typed });
}

async function planRevision(context: Context): Promise<FastifyReply> {
  const id = rowNumber(field(formOf(context.request.query), 'revision'));
  const found = id === null ? null : await revision(context.db, id, context.parts.zone);
  if (found === null) return context.redirect(PATH, { kind: 'bad', text: context.t('policy.no-such-revision') });
  return shown(context, { plan: await planOf(context, found.document), revision: found.id });
}

async function shown(context: Context, model: object): Promise<FastifyReply> {
  if (wantsPart(context)) return context.part('admin/policy/_policy-plan', model);
  const title = context.t('policy.plan-title');
  return context.page('admin/policy/plan', { title, ...model }, { title, active: 'policy', policy: true });
}

/** A plan keeps a processor busy for its time: of several that are asked for at once, one after the other is made. */
const turns = new WeakMap<Database, Promise<unknown>>();

async function planOf(context: Context, policy: Policy) {
  const { replyOf } = context.opened.live.policy;
  const made = (turns.get(context.db) ?? Promise.resolve()).then(() =>
    planPolicy({ ...context.desk, replyOf }, policy),
  );
  // Whoever asked is told when it fails; the next one has its turn all the same.
  turns.set(context.db, made.then(String, String));
  return planModel(context, await made);
}

function planModel(context: Context, impact: Impact) {
  const { sessions, subscribers, groups, later, perNas, addresses } = impact;
  const now = groups.map((group) => groupModel(context, group));
  const after = later.groups.map((group) => groupModel(context, group));
  return {
    ...impact,
    nothing: subscribers.changed === 0 && later.changed === 0 && sessions.coa + sessions.disconnect === 0,
    acts: actBar(context, sessions),
    moved: addresses.moved,
    takes: context.format.duration(impact.expectedSeconds * SECOND),
    seconds: Math.ceil(impact.expectedSeconds),
    groups: now.slice(0, MOST_GROUPS),
    moreGroups: Math.max(0, now.length - MOST_GROUPS),
    laterGroups: after.slice(0, MOST_GROUPS),
    moreLater: Math.max(0, after.length - MOST_GROUPS),
    flow: flow(groups.length > 0 ? bandsOf(context, groups) : bandsOf(context, later.groups), (count) =>
      context.format.number(count),
    ),
    routers: routersModel(perNas),
    moreRouters: Math.max(0, perNas.length - MOST_ROUTERS),
    hours: later.within24h.map(({ changed }, hour) => ({
      value: changed,
      title: `${context.format.clock(impact.at + hour * 3600 * SECOND)}: ${context.format.number(changed)}`,
    })),
    ticks: [0, 6, 12, 18, 24].map((hour) => impact.at + hour * 3600 * SECOND),
  };
}

/** Live sessions by what they would be sent, as parts of one bar. */
function actBar(context: Context, { total, keep, coa, disconnect }: Impact['sessions']) {
  const counts = { keep, coa, disconnect };
  return (['keep', 'coa', 'disconnect'] as const).map((act) => ({
    act,
    count: counts[act],
    text: context.t(`policy.act-${act}`),
    percent: total === 0 ? 0 : (counts[act] / total) * 100,
  }));
}

function groupModel(context: Context, group: ImpactGroup) {
  return {
    ...group,
    beforeModel: termsModel(context, group.before),
    afterModel: termsModel(context, group.after),
    actText: context.t(`policy.act-${group.act}`),
    samples: group.samples.map((sample) => ({ ...sample, rows: changedAttributes(sample) })),
  };
}

/** Attribute by attribute what a router is told before and after; several of a name stand in one row. */
function changedAttributes({ before, after }: ImpactSample) {
  const valuesOf = (told: ToldAttributes, name: string) =>
    told
      .filter(([one]) => one === name)
      .map(([, value]) => value)
      .join('\n');
  const names = [...new Set([...before, ...after].map(([name]) => name))];
  return names.map((name) => {
    const [was, becomes] = [valuesOf(before, name), valuesOf(after, name)];
    return { name, was, becomes, same: was === becomes };
  });
}

const bandsOf = (context: Context, groups: readonly ImpactGroup[]): Band[] =>
  groups.map(({ before, after, count }) => ({ from: label(context, before), to: label(context, after), count }));

function label(context: Context, terms: ImpactGroup['before']): string {
  const { accessText, rate } = termsModel(context, terms);
  return rate === null ? accessText : `${accessText} · ${rate}`;
}

function routersModel(perNas: Impact['perNas']) {
  const longest = Math.max(1, ...perNas.map(({ seconds }) => seconds));
  return perNas.slice(0, MOST_ROUTERS).map((one) => ({
    ...one,
    seconds: Math.ceil(one.seconds),
    percent: (one.seconds / longest) * 100,
  }));
}
