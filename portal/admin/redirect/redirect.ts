import type { FastifyReply } from 'fastify';
import type { Bought } from '#domain/standing';
import { STANDING_TONES } from '#portal/admin/customers/customers';
import { listAddress, pagesOf, totalWords } from '#portal/admin/customers/listing';
import { Comparison, MOST_DIFFERING } from '#portal/admin/redirect/check';
import { routerTable } from '#portal/admin/redirect/router-table';
import { gardensLacking } from '#portal/admin/routers/garden';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, rowNumber, wholeNumber } from '#portal/shared/forms';
import { Kept } from '#portal/shared/kept';
import { type MoneyReason, moneyReasons } from '#portal/shared/money-reason';
import type { DriftLine } from '#portal/shared/parts';
import { nasIdsByName } from '#storage/nas';
import { boughtOf, countLists, redirectSessions } from '#storage/redirect';
import { countStaticAddresses, type RedirectRow, redirectRows } from '#storage/static-addresses';
import { toldOfLine } from '#storage/timeline';

const PATH = '/prepaid/redirect';
const PAGE_SIZE = 50;
const DIFFERING_SHOWN = 50;
const TABS = ['pppoe', 'static'] as const;

/** In the address: the lines of whom no list is known. */
const NO_LIST = '-';

/** Who is in which address-list of which router, wanted beside seen, and why. */
export function redirectPage(doors: Doors): void {
  const comparison = new Comparison(doors.clock);
  const kept = new Kept(doors.clock, countLists, ({ sessions, addresses }) => linesOf([...sessions, ...addresses]));
  doors.staff('GET', PATH, 'see', (context) => page(context, comparison, kept));
  // A script of the page asks for this alone until the comparison is there.
  doors.staff('GET', `${PATH}/differing`, 'see', async (context) =>
    context.part('admin/redirect/_differing', await differing(context, comparison, 'fresh')),
  );
}

type Query = {
  readonly tab: (typeof TABS)[number];
  readonly q: string;
  readonly router: number | null;
  readonly list: string | null;
  readonly page: number;
};

function readQuery(context: Context): Query {
  const form = formOf(context.request.query);
  const text = (name: string) => field(form, name).slice(0, 100);
  return {
    tab: TABS.find((one) => one === text('tab')) ?? 'pppoe',
    q: text('q'),
    router: rowNumber(text('router')),
    list: text('list') === '' ? null : text('list'),
    page: Math.min(2_000, Math.max(1, wholeNumber(text('page')) ?? 1)),
  };
}

const addressOf = (query: Query, other: Partial<Query> = {}): string => {
  const { tab, ...asked } = { ...query, page: 1, ...other };
  return listAddress(PATH, { tab: tab === 'pppoe' ? null : tab, ...asked });
};

const linesOf = (of: readonly { readonly lines: number }[]): number => of.reduce((sum, one) => sum + one.lines, 0);

async function page(
  context: Context,
  comparison: Comparison,
  kept: Kept<Awaited<ReturnType<typeof countLists>>>,
): Promise<FastifyReply> {
  const { db } = context;
  const query = readQuery(context);
  const ask = field(formOf(context.request.query), 'check') === 'now' ? 'now' : 'fresh';
  const [routers, lacking, lists, staticCounts, compared] = await Promise.all([
    nasIdsByName(db),
    gardensLacking(context),
    kept.look(db),
    countStaticAddresses(db),
    differing(context, comparison, ask),
  ]);
  const counts = query.tab === 'pppoe' ? lists.sessions : lists.addresses;
  const names = [...new Set(counts.map(({ list }) => list ?? NO_LIST))].sort();
  const inScope = counts.filter(({ nasId }) => query.router === null || nasId === query.router);
  const title = context.t('redirect.title');
  return context.page(
    'admin/redirect/redirect',
    {
      title,
      query,
      tabs: TABS.map((tab) => ({
        text: context.t(`redirect.tab-${tab}`),
        count: linesOf(tab === 'pppoe' ? lists.sessions : lists.addresses),
        href: addressOf({ ...query, tab, list: null, router: null, q: '' }),
        current: tab === query.tab,
      })),
      isStatic: query.tab === 'static',
      table: routerTable(context, { routers, lacking }, lists, staticCounts),
      listChips: names.map((name) => ({
        text: name === NO_LIST ? context.t('redirect.no-list') : name,
        count: linesOf(inScope.filter(({ list }) => (list ?? NO_LIST) === name)),
        href: addressOf(query, { list: query.list === name ? null : name }),
        current: query.list === name,
      })),
      routers: [...routers].map(([name, id]) => ({ id, name, chosen: id === query.router })),
      narrowed: query.q !== '' || query.router !== null || query.list !== null,
      clearHref: addressOf({ ...query, q: '', router: null, list: null }),
      compared,
      nothingYet: routers.size === 0,
      ...(query.tab === 'pppoe' ? await sessionRows(context, query) : await staticRows(context, query)),
    },
    { title, active: 'redirect' },
  );
}

/** Why a line is where it is: what is owed or being paid, else how its subscriber stands, with the package. */
function whyOf(context: Context, bought: Bought | null | undefined, money: MoneyReason | undefined) {
  if (money !== undefined) {
    const why =
      money.is === 'overdue'
        ? context.t('redirect.why-overdue', { since: context.format.date(money.since) })
        : context.t('redirect.why-paying', { until: context.format.moment(money.until) });
    return { why, tone: money.is === 'overdue' ? 'bad' : 'warn', plan: bought?.plan ?? null, endsAt: null };
  }
  if (bought === null || bought === undefined)
    return { why: context.t('redirect.nobody'), tone: 'warn', plan: null, endsAt: null };
  const why = context.t(`customers.standing-${bought.standing}`);
  return { why, tone: STANDING_TONES[bought.standing], plan: bought.plan, endsAt: bought.endsAt };
}

async function sessionRows(context: Context, query: Query) {
  const { q, router, list } = query;
  const found = await redirectSessions(context.db, {
    ...(q === '' ? {} : { search: q }),
    ...(router === null ? {} : { nasId: router }),
    ...(list === null ? {} : { list: list === NO_LIST ? null : list }),
    page: query.page,
    pageSize: PAGE_SIZE,
    now: context.now,
  });
  const money = await moneyReasons(
    context,
    found.rows.flatMap(({ subscriberId }) => (subscriberId === null ? [] : [subscriberId])),
  );
  return {
    rows: found.rows.map((row) => ({
      ...row,
      ...whyOf(context, row.bought, row.subscriberId === null ? undefined : money.get(row.subscriberId)),
      shown: row.name === '' ? row.username : row.name,
    })),
    total: context.t('redirect.total-pppoe', { count: found.total, total: totalWords(context, found) }),
    pages: pagesOf(found, query.page, PAGE_SIZE, (to) => addressOf(query, { page: to })),
  };
}

async function staticRows(context: Context, query: Query) {
  const { q, router, list } = query;
  const filter = { nasId: router, list: list === NO_LIST ? null : list, search: q };
  const first = query.page === 1;
  const [found, differ] = await Promise.all([
    redirectRows(context.db, { ...filter, page: query.page, pageSize: PAGE_SIZE }),
    first
      ? redirectRows(context.db, { ...filter, differing: true, pageSize: DIFFERING_SHOWN })
      : { rows: [], total: 0 },
  ]);
  const all = [...differ.rows, ...found.rows];
  const ids = [...new Set(all.map(({ subscriberId }) => subscriberId))];
  const [standings, money] = await Promise.all([boughtOf(context.db, ids, context.now), moneyReasons(context, ids)]);
  const row = (one: RedirectRow) => ({
    ...one,
    ...whyOf(context, standings.get(one.subscriberId), money.get(one.subscriberId)),
    shown: one.name === '' ? one.username : one.name,
    state: context.t(`redirect.is-${staticState(one)}`),
    stateTone: one.lastError !== null ? 'bad' : one.differs ? 'warn' : 'good',
  });
  const differingIds = new Set(differ.rows.map(({ id }) => id));
  return {
    staticDiffering: differ.rows.map(row),
    staticDifferingTotal: differ.total,
    rows: found.rows.filter(({ id }) => !differingIds.has(id)).map(row),
    total: context.t('redirect.total-static', { count: found.total, total: context.format.number(found.total) }),
    pages: pagesOf({ ...found, more: false }, query.page, PAGE_SIZE, (to) => addressOf(query, { page: to })),
  };
}

/** How an address is, against what is decided for it. */
function staticState(row: RedirectRow): string {
  if (row.lastError !== null) return 'failing';
  if (row.removed) return 'leaving';
  if (!row.differs) return 'as-decided';
  return row.toldList === null ? 'untold' : 'differing';
}

/** The sessions that are not as decided, as far as the last comparison knows. */
async function differing(context: Context, comparison: Comparison, ask: 'fresh' | 'now') {
  const { last, running } = await comparison.look(context.opened.live, ask);
  const lines = last?.lines ?? [];
  return {
    running,
    at: last?.at ?? null,
    count: lines.length,
    more: lines.length === MOST_DIFFERING,
    rows: lines.slice(0, DIFFERING_SHOWN).map((line) => driftRow(context, line)),
    others: Math.max(0, lines.length - DIFFERING_SHOWN),
  };
}

function driftRow(context: Context, line: DriftLine) {
  const { subscriberId, username, is } = line;
  return {
    subscriberId,
    username,
    is: context.t(`redirect.drift-${is}`),
    tone: is === 'differs' ? 'bad' : 'warn',
    told: liveWords(context, line.told),
    decided: liveWords(context, line.decided),
  };
}

/** `20 Mbps · prepaid-active`, of the line that says what a router was told. */
function liveWords(context: Context, told: string | null): string {
  if (told === null) return context.t('redirect.not-known');
  if (told === 'denied') return context.t('redirect.denied');
  const { rate, list } = toldOfLine(told);
  if (rate === null) return told;
  return [context.format.rate(rate.downloadBps), list].filter((part) => part !== null && part !== '-').join(' · ');
}
