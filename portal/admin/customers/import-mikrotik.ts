import type { FastifyReply } from 'fastify';
import { writeCsv } from '#operations/csv';
import { applyMikrotikImport, previewMikrotikImport } from '#operations/import-mikrotik';
import type { MikrotikImportOptions } from '#operations/import-mikrotik-options';
import {
  FAULTS_SHOWN,
  firstFaults,
  UPLOAD_BYTES,
  uploadedText,
  uploadFault,
  uploadGone,
} from '#portal/admin/customers/upload';
import type { Tasks } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { planOffers } from '#storage/plans';

const PASSWORDS = ['', 'generate', 'same-as-name'] as const;
const DISABLED = ['suspend', 'active', 'skip'] as const;

/** PPPoE secrets of a RouterOS export: the file, then what becomes of it under chosen answers, then the work. */
export function importMikrotikPage(doors: Doors, tasks: Tasks): void {
  doors.staff('GET', '/customers/import-mikrotik', 'subscribers', (context) => upload(context));

  doors.staff(
    'POST',
    '/customers/import-mikrotik',
    'subscribers',
    async (context) => {
      const file = uploadedText(context.request.body, 'file');
      if ('fault' in file) return upload(context, [uploadFault(context, file.fault)]);
      return preview(context, tasks.hold(context.staff.id, file.text), file.text, {});
    },
    { bodyLimit: UPLOAD_BYTES },
  );

  doors.staff('POST', '/customers/import-mikrotik/preview', 'subscribers', async (context) => {
    const form = formOf(context.request.body);
    const key = field(form, 'key');
    const text = tasks.held(context.staff.id, key);
    return text === null ? upload(context, [uploadGone(context, tasks, key)]) : preview(context, key, text, form);
  });

  doors.staff('POST', '/customers/import-mikrotik/apply', 'subscribers', async (context) => {
    const form = formOf(context.request.body);
    const key = field(form, 'key');
    const text = tasks.held(context.staff.id, key);
    if (text === null) return upload(context, [uploadGone(context, tasks, key)]);
    const imported = await attempt(() => applyMikrotikImport(context.desk, text, optionsIn(form)));
    if (imported.faults !== undefined) return preview(context, key, text, form, imported.faults);
    tasks.release(key);
    context.opened.live.wakeEnforcement();
    const { generated } = imported.done;
    const csv = writeCsv(
      ['username', 'password'],
      generated.map((one) => [one.username, one.password]),
    );
    const title = context.t('customers.mikrotik-done');
    const model = {
      title,
      ...imported.done,
      generatedCount: generated.length,
      csv: `data:text/csv;charset=utf-8;base64,${Buffer.from(csv).toString('base64')}`,
    };
    return context.page('admin/customers/mikrotik-done', model, { title, active: 'customers' });
  });
}

async function upload(context: Context, faults?: readonly string[]): Promise<FastifyReply> {
  const title = context.t('customers.mikrotik-title');
  return context.page(
    'admin/customers/mikrotik',
    { title, faults },
    { title, active: 'customers', status: faults === undefined ? 200 : 422 },
  );
}

/** What a form chose; a profile is in a field of its own, because its name may be anything. */
function optionsIn(form: Form): MikrotikImportOptions {
  const plans = Object.entries(form).flatMap(([name, plan]) =>
    name.startsWith('plan:') && typeof plan === 'string' && plan !== ''
      ? [[name.slice('plan:'.length), plan] as const]
      : [],
  );
  const passwords = PASSWORDS.find((one) => one === field(form, 'passwords'));
  return {
    plans: Object.fromEntries(plans),
    billing: field(form, 'billing') || 'postpaid',
    ...(field(form, 'until') === '' ? {} : { coveredUntil: field(form, 'until') }),
    ...(passwords === undefined || passwords === '' ? {} : { passwordOf: passwords }),
    disabled: DISABLED.find((one) => one === field(form, 'disabled')) ?? 'suspend',
    update: field(form, 'update') === 'yes',
    leaveOut: field(form, 'leave-out') === 'yes',
  };
}

async function preview(
  context: Context,
  key: string,
  text: string,
  form: Form,
  refused: readonly string[] = [],
): Promise<FastifyReply> {
  const options = optionsIn(form);
  const seen = await attempt(() => previewMikrotikImport(context.desk, text, options));
  // Options that cannot be (a date in the past): shown beside what the file says without them.
  const { done } = seen.faults === undefined ? seen : { done: await previewMikrotikImport(context.desk, text) };
  const plans = (await planOffers(context.db)).filter((plan) => !plan.retired);
  const title = context.t('customers.mikrotik-title');
  const problems = done.problems.map(({ line, reason }) => `${line}: ${context.said(reason)}`);
  return context.page(
    'admin/customers/mikrotik',
    {
      title,
      key,
      faults: [...refused.slice(0, FAULTS_SHOWN), ...(seen.faults ?? [])],
      preview: done,
      problems: firstFaults(problems),
      blocked: (done.problems.length > 0 && !options.leaveOut) || done.add + done.update === 0,
      profiles: done.profiles.map((profile) => ({
        ...profile,
        field: `plan:${profile.name}`,
        plans: plans.map(({ name }) => ({ name, chosen: name === profile.plan })),
      })),
      hasPlans: plans.length > 0,
      prepaid: options.billing === 'prepaid',
      until: options.coveredUntil ?? '',
      passwords: PASSWORDS.map((one) => ({
        key: one,
        text: context.t(`customers.passwords-${one === '' ? 'file' : one}`),
        chosen: one === (options.passwordOf ?? ''),
      })),
      disabled: DISABLED.map((one) => ({
        key: one,
        text: context.t(`customers.disabled-${one}`),
        chosen: one === options.disabled,
      })),
      update: options.update,
      leaveOut: options.leaveOut,
      rows: done.rows.map((row) => ({ ...row, fateText: context.t(`customers.fate-${row.fate}`) })),
    },
    { title, active: 'customers', status: refused.length > 0 || seen.faults !== undefined ? 422 : 200 },
  );
}
