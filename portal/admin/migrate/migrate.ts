import type { FastifyReply } from 'fastify';
import { migrateFromCsv } from '#operations/migrate-from-csv';
import { firstFaults, UPLOAD_BYTES, uploadedText, uploadFault, uploadGone } from '#portal/admin/customers/upload';
import { startTask } from '#portal/admin/jobs/jobs';
import type { Tasks } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';

/** The move to prepaid of everybody a CSV file names: first what it would do, then the work with its progress. */
export function migratePage(doors: Doors, tasks: Tasks): void {
  doors.staff('GET', '/migrate', 'subscribers', (context) => page(context));

  doors.staff(
    'POST',
    '/migrate',
    'subscribers',
    async (context) => {
      const upload = uploadedText(context.request.body, 'file');
      if ('fault' in upload) return page(context, { faults: [uploadFault(context, upload.fault)] });
      const seen = await attempt(() => migrateFromCsv(context.desk, upload.text, { apply: false }));
      if (seen.faults !== undefined) return page(context, firstFaults(seen.faults));
      const { preview } = seen.done;
      const key = tasks.hold(context.staff.id, upload.text);
      const seconds = Math.max(1, Math.ceil((preview.willMove * LINE_MS) / 1000));
      const takes =
        seconds < 60 ? context.t('customers.seconds', { count: seconds }) : context.format.duration(seconds * 1000);
      return page(context, { preview, key, takes });
    },
    { bodyLimit: UPLOAD_BYTES },
  );

  doors.staff('POST', '/migrate/start', 'subscribers', async (context) => {
    const key = field(formOf(context.request.body), 'key');
    const text = tasks.held(context.staff.id, key);
    if (text === null) return page(context, { faults: [uploadGone(context, tasks, key)] });
    const seen = await attempt(() => migrateFromCsv(context.desk, text, { apply: false }));
    if (seen.faults !== undefined) return page(context, firstFaults(seen.faults));
    tasks.release(key);
    const { willMove, alreadyPrepaid } = seen.done.preview;
    const { desk } = context;
    return startTask(context, tasks, 'migrate', willMove + alreadyPrepaid, async (report, signal) => {
      const { result } = await migrateFromCsv(desk, text, { apply: true, onProgress: report, signal });
      return { changed: result!.moved.length, pins: result!.moved, skipped: result!.skipped };
    });
  });
}

/** Rough milliseconds a subscriber takes: two PINs are hashed at a time. */
const LINE_MS = 20;

async function page(
  context: Context,
  more: { readonly faults?: readonly string[]; readonly [name: string]: unknown } = {},
): Promise<FastifyReply> {
  const title = context.t('migrate.title');
  const status = more.faults === undefined ? 200 : 422;
  return context.page('admin/migrate/migrate', { title, ...more }, { title, active: 'customers', status });
}
