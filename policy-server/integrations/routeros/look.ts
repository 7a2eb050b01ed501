import type { Entry } from '#integrations/routeros/list-book';
import type { StaticAddress } from '#storage/static-addresses';

/** What a full look at a router found. */
export type Findings = {
  /**
   * Where each address is: the list of the one entry of ours; null = in none, or not as it has to be (disabled, twice).
   * An entry that somebody else made in the list we asked for counts, for it serves.
   */
  readonly seen: readonly { readonly id: number; readonly list: string | null }[];
  /** Entries with our tag that no line accounts for. */
  readonly orphans: readonly Entry[];
};

/** Compares a router's static entries with the addresses it is to hold. The entries were read first. Pure. */
export function compare(entries: readonly Entry[], addresses: readonly StaticAddress[]): Findings {
  const ours = new Map<string, Entry[]>();
  const others = new Set<string>();
  for (const entry of entries) {
    if (entry.owner === null) {
      if (!entry.disabled) others.add(pair(entry.list, entry.address));
      continue;
    }
    const key = pair(entry.owner, entry.address);
    const mine = ours.get(key);
    if (mine === undefined) ours.set(key, [entry]);
    else mine.push(entry);
  }
  const seen: { id: number; list: string | null }[] = [];
  const toBeAdopted = new Set<string>();
  for (const row of addresses) {
    const key = pair(row.subscriberId, row.address);
    const mine = ours.get(key) ?? [];
    ours.delete(key);
    if (mine.length === 0 && !row.removed) toBeAdopted.add(row.address);
    seen.push({ id: row.id, list: listOf(row, mine, others) });
  }
  // The entry of a line that had the address before is taken over by the new one with a single `set`.
  const orphans = [...ours.values()].flat().filter((entry) => !toBeAdopted.has(entry.address));
  return { seen, orphans };
}

function listOf(row: StaticAddress, mine: readonly Entry[], others: ReadonlySet<string>): string | null {
  const [entry, ...more] = mine;
  if (row.removed) return entry?.list ?? null;
  if (entry === undefined)
    return row.toldList !== null && others.has(pair(row.toldList, row.address)) ? row.toldList : null;
  return entry.disabled || more.length > 0 ? null : entry.list;
}

const pair = (one: string | number, other: string): string => `${one} ${other}`;
