import type { FastifyReply } from 'fastify';
import { FINDING_LEVELS, type Finding, type FindingLevel } from '#domain/nas-evidence';
import { type CheckedRouter, checkNas } from '#operations/check-nas';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import type { ListedNas } from '#storage/nas';

/** What RADIUS alone shows of a router, and how it is mended. Asking the router itself is a form: it takes some seconds. */
export function checkRoutes(
  doors: Doors,
  path: string,
  nasOf: (context: Context) => Promise<ListedNas | null>,
  noSuchRouter: (context: Context) => Promise<FastifyReply>,
): void {
  doors.staff('GET', `${path}/:id/check`, 'see', async (context) => {
    const nas = await nasOf(context);
    return nas === null ? noSuchRouter(context) : page(context, nas, false);
  });
  doors.staff('POST', `${path}/:id/check`, 'network', async (context) => {
    const nas = await nasOf(context);
    return nas === null ? noSuchRouter(context) : page(context, nas, true);
  });
}

const TONES: Readonly<Record<FindingLevel, string>> = { bad: 'bad', warn: 'warn', ok: 'good', unknown: 'off' };

async function page(context: Context, nas: ListedNas, asks: boolean): Promise<FastifyReply> {
  const probe = asks ? context.opened.live.probeNas : null;
  const desk = { ...context.desk, when: (at: number) => context.format.dateTime(at) };
  const [checked] = await checkNas(desk, { id: nas.id }, probe);
  const title = context.t('doctor.title', { name: nas.name });
  const routers = checked!.routers.map((router) => shown(context, router));
  const model = { title, nas, routers, several: routers.length > 1, asked: asks, mayAsk: context.allowed('network') };
  return context.page('admin/routers/check', model, { title, active: 'routers' });
}

/** What needs somebody first; then what is well; what nothing speaks for is folded away. */
function shown(context: Context, { address, identity, level, findings }: CheckedRouter) {
  const of = (...levels: FindingLevel[]) =>
    FINDING_LEVELS.filter((one) => levels.includes(one)).flatMap((one) =>
      findings.filter((finding) => finding.level === one).map((finding) => line(context, finding)),
    );
  const urgent = of('bad', 'warn');
  const unknown = of('unknown');
  return {
    address,
    identity,
    tone: TONES[level],
    text: urgent.length > 0 ? context.t('doctor.found', { count: urgent.length }) : context.t(`doctor.all-${level}`),
    urgent,
    well: of('ok'),
    unknown,
    unknownText: context.t('doctor.unknown-count', { count: unknown.length }),
  };
}

function line(context: Context, { code, level, says, fix }: Finding) {
  return {
    name: context.t(`doctor.code-${code}`),
    tone: TONES[level],
    level: context.t(`doctor.level-${level}`),
    says,
    fix: level === 'ok' ? null : fix,
  };
}
