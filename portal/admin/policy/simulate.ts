import type { FastifyReply } from 'fastify';
import type { Reason } from '#domain/decision';
import { parseBytes } from '#domain/parse';
import type { Policy, UsagePeriod } from '#domain/policy';
import { printReason } from '#domain/print';
import { type Instant, instantOfLocal, NEVER, wallClock } from '#domain/time';
import { revision } from '#operations/publish-policy';
import { type SimulatedAnswer, simulate } from '#operations/simulate';
import { checked, checkModel, DOCUMENT_BODY_BYTES, documentOf, PATH, wantsPart } from '#portal/admin/policy/document';
import { termsModel } from '#portal/admin/policy/terms';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, rowNumber } from '#portal/shared/forms';
import { hasWords } from '#portal/shared/words';
import { nasIdsByName } from '#storage/nas';
import { policyInForce } from '#storage/policy';

/** What would this subscriber get at this time: under a revision, or under what is being written. */
export function simulatePage(doors: Doors): void {
  doors.staff('GET', `${PATH}/simulate`, 'policy', async (context) => {
    const form = formOf(context.request.query);
    const id = rowNumber(field(form, 'revision')) ?? (await policyInForce(context.db))?.id ?? null;
    const found = id === null ? null : await revision(context.db, id, context.parts.zone);
    if (found === null) return context.redirect(PATH, { kind: 'bad', text: context.t('policy.no-such-revision') });
    const asked = field(form, 'subscriber') !== '';
    const model = { revision: found.id, ...(asked ? await answerOf(context, form, found.document) : {}) };
    return page(context, form, model);
  });
  doors.staff(
    'POST',
    `${PATH}/simulate`,
    'policy',
    async (context) => {
      const form = formOf(context.request.body);
      const text = documentOf(form);
      const check = checked(context, text);
      const typed = { text, note: field(form, 'note'), base: field(form, 'base') };
      const model =
        check.policy === null ? { check: checkModel(context, check) } : await answerOf(context, form, check.policy);
      if (wantsPart(context))
        return context.part('admin/policy/_simulated', { ...model, asked: askedIn(context, form) });
      return page(context, form, { ...model, typed });
    },
    { bodyLimit: DOCUMENT_BODY_BYTES },
  );
}

/** The routers a question may be about. */
export const routerNames = async (context: Context): Promise<string[]> => [...(await nasIdsByName(context.db)).keys()];

async function page(context: Context, form: Form, model: object): Promise<FastifyReply> {
  const title = context.t('policy.simulate-title');
  const asked = askedIn(context, form);
  return context.page(
    'admin/policy/simulate',
    { title, asked, routers: await routerNames(context), ...model },
    { title, active: 'policy', policy: true },
  );
}

/** As it was asked; a question that was not asked yet begins with now. */
export function askedIn(context: Context, form: Form) {
  return {
    subscriber: field(form, 'subscriber').slice(0, 253),
    at: field(form, 'at').slice(0, 30) || localMinute(context.now, context.parts.zone),
    nas: field(form, 'nas').slice(0, 100),
    used: field(form, 'used').slice(0, 30),
  };
}

/** `2026-11-21T01:00`, as a browser's field has it. */
export function localMinute(at: Instant, zone: string): string {
  const { year, month, day, hour, minute } = wallClock(at, zone);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}`;
}

function instantIn(text: string, zone: string): Instant | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text)) return null;
  const local = Date.parse(`${text}Z`);
  return Number.isNaN(local) ? null : instantOfLocal(local, zone);
}

async function answerOf(context: Context, form: Form, policy: Policy) {
  const asked = askedIn(context, form);
  const at = instantIn(asked.at, context.parts.zone);
  const usedBytes = asked.used === '' ? undefined : (parseBytes(asked.used) ?? null);
  const faults = [
    ...(asked.subscriber === '' ? [context.t('policy.fault-subscriber')] : []),
    ...(at === null ? [context.t('policy.fault-at')] : []),
    ...(usedBytes === null ? [context.t('policy.fault-used')] : []),
  ];
  if (faults.length > 0 || at === null || usedBytes === null) return { faults };
  const question = {
    username: asked.subscriber,
    at,
    policy,
    usedBytes,
    ...(asked.nas === '' ? {} : { nasName: asked.nas }),
  };
  const { replyOf } = context.opened.live.policy;
  const found = await attempt(() => simulate({ ...context.desk, replyOf }, question));
  if (found.faults !== undefined) return { faults: found.faults };
  const { given, inForce } = found.done;
  return {
    found: {
      ...found.done,
      given: answerModel(context, given),
      inForce: { ...answerModel(context, inForce), revision: inForce.revision },
    },
  };
}

function answerModel(context: Context, answer: SimulatedAnswer) {
  const { decision, validUntil, furtherBytes } = answer;
  return {
    terms: termsModel(context, decision),
    reasons: decision.because.map((reason) => reasonWords(context, reason)),
    attributes: answer.attributes,
    until: validUntil === NEVER ? null : validUntil,
    furtherBytes: furtherBytes === Infinity ? null : furtherBytes,
  };
}

/** A reason as a phrase; its instants and bytes as the reader reads them. */
function reasonWords(context: Context, reason: Reason): string {
  const key = `policy.reason-${reason.is}`;
  if (!hasWords(context.language, key)) return printReason(reason, context.parts.zone);
  const values = Object.entries(reason).map(([name, value]: [string, ReasonValue]) => {
    if (typeof value === 'string') return [name, value] as const;
    if (typeof value !== 'number') return [name, periodWords(context, value)] as const;
    return [name, name.endsWith('Bytes') ? context.format.bytes(value) : context.format.dateTime(value)] as const;
  });
  return context.t(key, Object.fromEntries(values));
}

type ReasonValue = string | Instant | UsagePeriod | null;

/** ` hari ini`; nothing where usage counts since the package began. */
const periodWords = (context: Context, per: UsagePeriod | null): string =>
  per === null ? '' : ` ${context.t(`policy.per-${per.every}-${per.from}`)}`;
