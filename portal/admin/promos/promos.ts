import type { FastifyReply } from 'fastify';
import { addPromo, disablePromo } from '#operations/promos';
import type { FormFaults } from '#portal/admin/customers/form';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, fields, formOf, rowNumber } from '#portal/shared/forms';
import { planOffers } from '#storage/plans';
import { type ListedPromo, listPromos } from '#storage/promos';

const PATH = '/promos';

/** Promo codes: what each gives, to whom and until when, how often it is used, and new ones. */
export function promosPage(doors: Doors): void {
  doors.staff('GET', PATH, 'money', list);
  doors.staff('GET', `${PATH}/new`, 'money', (context) => promoForm(context, typedIn({})));
  doors.staff('POST', `${PATH}/new`, 'money', add);
  for (const act of ['disable', 'enable'] as const) {
    doors.staff('POST', `${PATH}/:id/${act}`, 'money', async (context) => {
      const id = rowNumber((context.request.params as { id: string }).id);
      const done = await attempt(() => disablePromo(context.desk, id ?? 0, act === 'disable'));
      if (done.faults !== undefined) return context.redirect(PATH, { kind: 'bad', text: context.t('promos.gone') });
      const text = context.t(act === 'disable' ? 'promos.disabled' : 'promos.enabled', { code: done.done.code });
      return context.redirect(PATH, { kind: 'good', text });
    });
  }
}

async function list(context: Context): Promise<FastifyReply> {
  const title = context.t('promos.title');
  const rows = (await listPromos(context.db, context.now)).map((promo) => rowOf(context, promo));
  return context.page('admin/promos/promos', { title, rows }, { title, active: 'promos' });
}

function rowOf(context: Context, promo: ListedPromo) {
  const { percent, fixedRupiah, mostUses, mostUsesEach, plans } = promo;
  const { format } = context;
  return {
    ...promo,
    gives: percent === null ? format.rupiah(fixedRupiah ?? 0) : `${percent}%`,
    uses: mostUses === null ? format.number(promo.uses) : context.t('promos.of', { uses: promo.uses, most: mostUses }),
    perCustomer: context.t('promos.each', { count: mostUsesEach }),
    // An end at midnight is the end of the day before.
    lastMoment: promo.endsAt - 1,
    plans: plans.length === 0 ? context.t('promos.all-plans') : plans.join(', '),
    state: stateOf(promo, context.now),
    disabled: promo.disabledAt !== null,
  };
}

/** Key, colour and picture of how a promo stands. */
function stateOf({ disabledAt, startsAt, endsAt, mostUses, uses }: ListedPromo, now: number) {
  if (disabledAt !== null) return { words: 'promos.is-disabled', is: '', icon: 'pause' };
  if (now >= endsAt) return { words: 'promos.is-over', is: '', icon: 'clock' };
  if (now < startsAt) return { words: 'promos.is-to-come', is: 'warn', icon: 'clock' };
  if (mostUses !== null && uses >= mostUses) return { words: 'promos.is-used-up', is: 'warn', icon: 'check' };
  return { words: 'promos.is-good', is: 'good', icon: 'check' };
}

const FIELDS = ['code', 'kind', 'value', 'mostUses', 'mostUsesEach', 'from', 'until'] as const;
type Typed = Readonly<Record<(typeof FIELDS)[number], string>> & { readonly planIds: readonly string[] };

const typedIn = (form: Form): Typed => ({
  ...(Object.fromEntries(FIELDS.map((name) => [name, field(form, name)])) as Record<(typeof FIELDS)[number], string>),
  planIds: fields(form, 'planIds'),
});

async function add(context: Context): Promise<FastifyReply> {
  const typed = typedIn(formOf(context.request.body));
  const { kind, value, ...given } = typed;
  const worth = kind === 'fixed' ? { fixed: value } : { percent: value };
  const added = await attempt(() => addPromo(context.desk, { ...given, ...worth }));
  if (added.faults !== undefined) return promoForm(context, typed, faultsOf(context, added.faults));
  return context.redirect(PATH, { kind: 'good', text: context.t('promos.added', { code: typed.code.toUpperCase() }) });
}

/** Which field a fault is of, by how its line begins; what is of none is said above the form. */
const OF: readonly (readonly [RegExp, string])[] = [
  [/^the code .* belongs/, 'code-taken'],
  [/^code\b/, 'code'],
  [/^(percent|fixed|give a percentage)\b/, 'value'],
  [/^mostUsesEach\b/, 'mostUsesEach'],
  [/^mostUses\b/, 'mostUses'],
  [/^from\b/, 'from'],
  [/^until\b/, 'until'],
];

function faultsOf(context: Context, faults: readonly string[]): FormFaults {
  const of: Record<string, string> = {};
  const others: string[] = [];
  for (const fault of faults) {
    const found = OF.find(([begins]) => begins.test(fault))?.[1];
    if (found === undefined) others.push(fault);
    else of[found === 'code-taken' ? 'code' : found] = context.t(`promos.fault-${found.toLowerCase()}`);
  }
  return { of, others };
}

async function promoForm(context: Context, typed: Typed, faults?: FormFaults): Promise<FastifyReply> {
  const title = context.t('promos.new-title');
  const plans = (await planOffers(context.db)).filter(({ retired }) => !retired);
  const model = {
    title,
    typed,
    faults,
    isFixed: typed.kind === 'fixed',
    plans: plans.map(({ planId, name }) => ({ planId, name, chosen: typed.planIds.includes(String(planId)) })),
  };
  const status = faults === undefined ? 200 : 422;
  return context.page('admin/promos/form', model, { title, active: 'promos', status });
}
