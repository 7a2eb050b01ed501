import { isIPv4 } from 'node:net';
import type { FastifyReply } from 'fastify';
import type { NasVendor } from '#domain/policy';
import { gardenHosts } from '#domain/walled-garden';
import { showRouterScript } from '#operations/show-router-script';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';
import type { ListedNas } from '#storage/nas';

/**
 * What is pasted into a router. It holds the router's secret: it is made by a POST, is on no page that can be opened
 * again, and who asked for it stands in the audit log.
 */
export function scriptRoutes(
  doors: Doors,
  path: string,
  nasOf: (context: Context) => Promise<ListedNas | null>,
  noSuchRouter: (context: Context) => Promise<FastifyReply>,
): void {
  doors.staff('GET', `${path}/:id/script`, 'network', async (context) => {
    const nas = await nasOf(context);
    return nas === null ? noSuchRouter(context) : page(context, nas, { server: serverAddress(context), version: '7' });
  });

  doors.staff('POST', `${path}/:id/script`, 'network', async (context) => {
    const nas = await nasOf(context);
    if (nas === null) return noSuchRouter(context);
    const form = formOf(context.request.body);
    const typed = { server: field(form, 'server'), version: field(form, 'version') === '6' ? '6' : '7' };
    const made = await attempt(() => scriptFor(context, nas, typed));
    if (made.faults !== undefined) return page(context, nas, { ...typed, fault: context.t('routers.script-fault') });
    if (field(form, 'do') !== 'download') return page(context, nas, { ...typed, script: made.done });
    return context.reply
      .type('text/plain; charset=utf-8')
      .header(
        'content-disposition',
        `attachment; filename="${nas.name.replace(/[^A-Za-z0-9._-]/g, '_')}${ENDINGS[nas.vendor]}"`,
      )
      .send(made.done);
  });
}

/** As who reads the file expects it. */
const ENDINGS: Readonly<Record<NasVendor, string>> = { mikrotik: '.rsc', 'accel-ppp': '.conf', generic: '.txt' };

type Typed = { readonly server: string; readonly version: string };

async function scriptFor(context: Context, nas: ListedNas, typed: Typed): Promise<string> {
  const radius = context.opened.live.radius();
  const [address = '', ...others] = typed.server.split(',').map((part) => part.trim());
  return showRouterScript(context.desk, nas, {
    server: { address, others, authPort: radius?.authPort ?? 1812, acctPort: radius?.acctPort ?? 1813 },
    portal: { address, url: context.publicUrl },
    version: typed.version === '6' ? 6 : 7,
    walledGarden: gardenHosts(await context.opened.settings()),
  });
}

/** Where this browser reached us, if that is an address: the router may well reach us there too. */
function serverAddress(context: Context): string {
  const host = new URL(context.publicUrl).hostname;
  if (isIPv4(host) && !host.startsWith('127.')) return host;
  const local = context.request.socket.localAddress ?? '';
  return isIPv4(local) && !local.startsWith('127.') ? local : '';
}

async function page(
  context: Context,
  nas: ListedNas,
  more: Typed & { readonly fault?: string; readonly script?: string },
): Promise<FastifyReply> {
  const title = context.t('routers.script-title', { name: nas.name });
  const model = { title, nas, ...more, isSix: more.version === '6', isMikrotik: nas.vendor === 'mikrotik' };
  return context.page('admin/routers/script', model, {
    title,
    active: 'routers',
    status: more.fault === undefined ? 200 : 422,
  });
}
