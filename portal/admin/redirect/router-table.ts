import type { Context } from '#portal/shared/context';
import type { RouterState } from '#portal/shared/parts';
import type { ListCount } from '#storage/redirect';

/** How many lines each router has in each list, and how its API is; those with trouble first. */
export function routerTable(
  context: Context,
  {
    routers,
    lacking,
  }: { readonly routers: ReadonlyMap<string, number>; readonly lacking: ReadonlyMap<number, string> },
  lists: { readonly sessions: readonly ListCount[]; readonly addresses: readonly ListCount[] },
  staticCounts: readonly { readonly nasId: number; readonly wanted: number; readonly differing: number }[],
) {
  const states = new Map(context.opened.live.routers.states().map((state) => [state.nasId, state]));
  const differing = new Map(staticCounts.map((one) => [one.nasId, one.differing]));
  const all = [...lists.sessions, ...lists.addresses];
  const names = [...new Set(all.flatMap(({ list }) => (list === null ? [] : [list])))].sort();
  const hasUnknown = all.some(({ list }) => list === null);
  const columns: (string | null)[] = [...names, ...(hasUnknown ? [null] : [])];
  const cell = (counts: readonly ListCount[], nasId: number, list: string | null) =>
    counts.reduce((sum, one) => (one.nasId === nasId && one.list === list ? sum + one.lines : sum), 0);
  const rows = [...routers].map(([name, id]) => ({
    id,
    name,
    lacks: lacking.get(id) ?? null,
    ...apiOf(context, states.get(id)),
    differing: differing.get(id) ?? 0,
    cells: columns.map((list) => ({
      list: list ?? context.t('redirect.no-list'),
      sessions: cell(lists.sessions, id, list),
      addresses: cell(lists.addresses, id, list),
    })),
  }));
  rows.sort((one, other) => Number(other.bad) - Number(one.bad) || other.differing - one.differing);
  return { heads: columns.map((list) => list ?? context.t('redirect.no-list')), rows };
}

const TONES = { connected: 'good', connecting: 'warn', silent: 'bad', failing: 'bad', unconfigured: 'off' } as const;

function apiOf(context: Context, state: RouterState | undefined) {
  const is = state?.state ?? 'unconfigured';
  return {
    tone: TONES[is],
    bad: TONES[is] === 'bad',
    stateText: context.t(`redirect.api-${is}`),
    error: state?.error ?? null,
    lastSeenAt: is === 'connected' ? null : (state?.lastSeenAt ?? null),
  };
}
