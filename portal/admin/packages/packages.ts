import type { FastifyReply } from 'fastify';
import { sameRate } from '#domain/plan';
import { deletePlan } from '#operations/delete-plan';
import { savePlan } from '#operations/save-plan';
import type { FormFaults } from '#portal/admin/customers/form';
import {
  periodName,
  planFaults,
  planInput,
  TYPES,
  type Typed,
  typedIn,
  typedOf,
  untyped,
} from '#portal/admin/packages/form';
import { burstWords, faultsInBurst, rateWords } from '#portal/admin/speed-profiles/speeds';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, formOf, rowNumber } from '#portal/shared/forms';
import { Kept } from '#portal/shared/kept';
import { planRevisions, planUses } from '#storage/plan-uses';
import { findPlan, type ListedPlan, plansOffered, usesOfPlan } from '#storage/plans';
import { listSpeedProfiles } from '#storage/speed-profiles';

const PATH = '/prepaid/packages';
type FoundPlan = Omit<ListedPlan, 'grantsInForce'>;

/** What is sold: the packages, each with the revisions it had. */
export function packagesPage(doors: Doors): void {
  const kept = new Kept(doors.clock, planUses, (uses) => [...uses.values()].reduce((sum, one) => sum + one.active, 0));
  doors.staff('GET', PATH, 'see', (context) => list(context, kept));

  doors.staff('GET', `${PATH}/new`, 'plans', async (context) => {
    const profiles = await listSpeedProfiles(context.db);
    return planForm(context, null, untyped(profiles.length > 0));
  });
  doors.staff('POST', `${PATH}/new`, 'plans', (context) => save(context, null));

  doors.staff('GET', `${PATH}/:id`, 'see', async (context) => {
    const found = await planOf(context);
    return found === null ? gone(context) : plan(context, found);
  });
  doors.staff('GET', `${PATH}/:id/edit`, 'plans', async (context) => {
    const found = await planOnSale(context);
    return found === null ? gone(context) : planForm(context, found, typedOf(found));
  });
  doors.staff('POST', `${PATH}/:id/edit`, 'plans', async (context) => {
    const found = await planOnSale(context);
    return found === null ? gone(context) : save(context, found);
  });
  doors.staff('GET', `${PATH}/:id/delete`, 'plans', async (context) => {
    const found = await planOnSale(context);
    return found === null ? gone(context) : deleteForm(context, found);
  });
  doors.staff('POST', `${PATH}/:id/delete`, 'plans', async (context) => {
    const found = await planOnSale(context);
    if (found === null) return gone(context);
    const deleted = await attempt(() => deletePlan(context.desk, found.planId));
    if (deleted.faults !== undefined) return deleteForm(context, found, 422);
    return context.redirect(PATH, { kind: 'good', text: context.t('packages-staff.deleted', { name: found.name }) });
  });
}

/** The plan of the address, on sale or not. */
async function planOf(context: Context): Promise<FoundPlan | null> {
  const id = rowNumber((context.request.params as { id: string }).id);
  return id === null ? null : findPlan(context.db, { id });
}

async function planOnSale(context: Context): Promise<FoundPlan | null> {
  const found = await planOf(context);
  return found === null || found.retired ? null : found;
}

const gone = (context: Context): FastifyReply =>
  context.redirect(PATH, { kind: 'bad', text: context.t('packages-staff.gone') });

/** What a package gives, in words. */
const termsOf = (context: Context, one: Pick<FoundPlan, 'period' | 'rate' | 'allowanceBytes'>) => ({
  periodText: periodName(context, one.period),
  rateText: rateWords(context, one.rate),
  burst: burstWords(context, one.rate),
  quotaText: context.format.bytes(one.allowanceBytes),
});

async function list(context: Context, kept: Kept<Awaited<ReturnType<typeof planUses>>>): Promise<FastifyReply> {
  const [onSale, uses] = await Promise.all([plansOffered(context.db), kept.look(context.db)]);
  const title = context.t('packages-staff.title');
  const rows = onSale.map((one) => ({
    ...one,
    ...termsOf(context, one),
    ...(uses.get(one.planId) ?? { active: 0, sold: 0 }),
  }));
  const model = { title, rows, mayEdit: context.allowed('plans') };
  return context.page('admin/packages/packages', model, { title, active: 'packages' });
}

async function plan(context: Context, found: FoundPlan): Promise<FastifyReply> {
  const revisions = await planRevisions(context.db, found.planId, context.now);
  const sum = (of: (one: (typeof revisions)[number]) => number) => revisions.reduce((all, one) => all + of(one), 0);
  return context.page(
    'admin/packages/package',
    {
      title: found.name,
      found: { ...found, ...termsOf(context, found) },
      active: sum((one) => one.active),
      sold: sum((one) => one.sold),
      revisions: revisions.map((one, at) => ({ ...one, ...termsOf(context, one), newest: at === 0 && !found.retired })),
      mayEdit: context.allowed('plans') && !found.retired,
    },
    { title: found.name, active: 'packages' },
  );
}

async function save(context: Context, found: FoundPlan | null): Promise<FastifyReply> {
  const typed = typedIn(formOf(context.request.body));
  const profiles = await listSpeedProfiles(context.db);
  const faults = planFaults(
    context,
    typed,
    profiles.map(({ id }) => id),
  );
  if (faults !== null) return planForm(context, found, typed, faults);
  const saved = await attempt(() => savePlan(context.desk, { id: found?.planId ?? null, ...planInput(typed) }));
  if (saved.faults !== undefined) {
    const taken = saved.faults.some((line) => line.includes('belongs to another'));
    const said = taken
      ? { of: { name: context.t('packages-staff.fault-name-taken') }, others: [] }
      : { of: {}, others: saved.faults };
    return planForm(context, found, typed, said);
  }
  const { name, revision, newRevision, warnings, id } = saved.done;
  const key = found === null ? 'added' : newRevision ? 'revised' : 'saved';
  const slow = warnings.length > 0 ? ` ${context.t('packages-staff.slow-burst')}` : '';
  const text = context.t(`packages-staff.${key}`, { name, revision }) + slow;
  return context.redirect(found === null ? PATH : `${PATH}/${id}`, { kind: slow === '' ? 'good' : 'bad', text });
}

async function planForm(
  context: Context,
  found: FoundPlan | null,
  typed: Typed,
  faults?: FormFaults,
): Promise<FastifyReply> {
  const [profiles, uses] = await Promise.all([
    listSpeedProfiles(context.db),
    found === null ? null : usesOfPlan(context.db, found.planId, context.now),
  ]);
  const lent = profiles.find(({ id }) => id === found?.speedProfileId);
  const title =
    found === null
      ? context.t('packages-staff.new-title')
      : context.t('packages-staff.edit-title', { name: found.name });
  const model = {
    title,
    typed,
    faults,
    found,
    keeping: uses?.grants ?? 0,
    next: (found?.revision ?? 0) + 1,
    // The plan has its own copy of the speeds: saved again, it takes those of now.
    profileChanged: found !== null && lent !== undefined && !sameRate(lent.rate, found.rate),
    types: TYPES.map((key) => ({ key, text: context.t(`packages-staff.type-${key}`), chosen: key === typed.type })),
    profiles: profiles.map((one) => ({
      id: one.id,
      text: `${one.name} · ${rateWords(context, one.rate)}`,
      chosen: String(one.id) === typed.speed,
    })),
    own: typed.speed === 'own',
    burstOpen: typed.burstDown !== '' || faultsInBurst(faults),
  };
  return context.page('admin/packages/form', model, {
    title,
    active: 'packages',
    status: faults === undefined ? 200 : 422,
  });
}

async function deleteForm(context: Context, found: FoundPlan, status = 200): Promise<FastifyReply> {
  const uses = await usesOfPlan(context.db, found.planId, context.now);
  const title = context.t('packages-staff.delete-title', { name: found.name });
  const model = { title, found, uses, inUse: uses.grants + uses.openPurchases > 0 };
  return context.page('admin/packages/delete', model, { title, active: 'packages', status });
}
