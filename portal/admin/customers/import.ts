import type { FastifyReply } from 'fastify';
import { writeCsv } from '#operations/csv';
import { IMPORT_COLUMNS } from '#operations/import-file';
import { importSubscribers, previewImport } from '#operations/import-subscribers';
import { firstFaults, UPLOAD_BYTES, uploadedText, uploadFault, uploadGone } from '#portal/admin/customers/upload';
import type { Tasks } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';

const ROWS_SHOWN = 10;
const EXAMPLES: readonly Readonly<Partial<Record<(typeof IMPORT_COLUMNS)[number], string>>>[] = [
  {
    username: 'budi.santoso',
    password: 'Rumah-77-hijau',
    name: 'Budi Santoso',
    phone: '081234567890',
    billing: 'prepaid',
  },
];
const TEMPLATE = writeCsv(
  IMPORT_COLUMNS,
  EXAMPLES.map((example) => IMPORT_COLUMNS.map((column) => example[column] ?? null)),
);

/** Subscribers from a CSV file: first what it would do and every fault of it, then all of them or none. */
export function importPage(doors: Doors, tasks: Tasks): void {
  doors.staff('GET', '/customers/import', 'subscribers', (context) => page(context));

  doors.staff('GET', '/customers/import/template.csv', 'subscribers', async (context) =>
    context.reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', 'attachment; filename="customers.csv"')
      .send(TEMPLATE),
  );

  doors.staff(
    'POST',
    '/customers/import',
    'subscribers',
    async (context) => {
      const upload = uploadedText(context.request.body, 'file');
      if ('fault' in upload) return page(context, { faults: [uploadFault(context, upload.fault)] });
      const { rows, faults } = await previewImport(context.desk, upload.text);
      if (faults.length > 0) return page(context, firstFaults(faults));
      const sample = rows.slice(0, ROWS_SHOWN);
      const counts = {
        count: rows.length,
        prepaid: rows.filter((row) => row.billing === 'prepaid').length,
        withPlan: rows.filter((row) => row.plan !== null).length,
        others: Math.max(0, rows.length - sample.length),
      };
      return page(context, { preview: { ...counts, sample, key: tasks.hold(context.staff.id, upload.text) } });
    },
    { bodyLimit: UPLOAD_BYTES },
  );

  doors.staff('POST', '/customers/import/apply', 'subscribers', async (context) => {
    const key = field(formOf(context.request.body), 'key');
    const text = tasks.held(context.staff.id, key);
    if (text === null) return page(context, { faults: [uploadGone(context, tasks, key)] });
    const imported = await attempt(() => importSubscribers(context.desk, text));
    if (imported.faults !== undefined) return page(context, firstFaults(imported.faults));
    tasks.release(key);
    const { subscribers, grants } = imported.done;
    const said = context.t('customers.imported', { count: subscribers, grants });
    return context.redirect('/customers?sort=created', { kind: 'good', text: said });
  });
}

async function page(
  context: Context,
  more: { readonly faults?: readonly string[]; readonly [name: string]: unknown } = {},
): Promise<FastifyReply> {
  const title = context.t('customers.import-title');
  const model = {
    title,
    columns: IMPORT_COLUMNS.map((name) => ({ name, text: context.t(`customers.column-${name}`) })),
    ...more,
  };
  const status = more.faults === undefined ? 200 : 422;
  return context.page('admin/customers/import', model, { title, active: 'customers', status });
}
