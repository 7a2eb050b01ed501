import { type Assessment, differs } from '#enforcement/assess';
import type { Lane } from '#enforcement/lane';
import type { LaneStatus } from '#enforcement/loop';

/**
 * Who is spoken to, over a lane of its own: a NAS or one address of a NAS that is a block, about sessions; with null as its
 * address, the address-lists of a NAS. A router whose API is dead is still sent CoA, and the other way round.
 */
export type Router = { readonly nasId: number; readonly nasAddress: string | null };

export const keyOf = ({ nasId, nasAddress }: Router): string => `${nasId} ${nasAddress ?? 'lists'}`;
export const listsOf = (nasId: number): Router => ({ nasId, nasAddress: null });

/** Whom something has to be said. */
export function routersToTell(view: Assessment): Router[] {
  const ofSessions = view.steps.filter((step) => step.action.do !== 'keep').map((step) => step.session);
  return [...ofSessions, ...view.lists.filter(differs).map(({ address }) => listsOf(address.nasId))];
}

/** The addresses whose decided list is another than the one pages know of. */
export function newlyWanted(view: Assessment): { id: number; list: string | null }[] {
  const differing = view.lists.filter(({ address, list }) => address.wantedList !== list);
  return differing.map(({ address, list }) => ({ id: address.id, list }));
}

export function statusOf(lanes: readonly { readonly router: Router; readonly lane: Lane }[]): LaneStatus[] {
  return [...Map.groupBy(lanes, ({ router }) => router.nasId)].map(([nasId, of]) => ({
    nasId,
    queued: of.reduce((sum, { lane }) => sum + lane.queued, 0),
    inFlight: of.reduce((sum, { lane }) => sum + lane.inFlight, 0),
    silent: of.some(({ lane }) => lane.silent),
  }));
}
