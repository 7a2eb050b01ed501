/** An IPv4 address or block as people write it, `10.0.0.1` or `10.0.0.8/29`, with the first and last address in it. */
type Block = { readonly text: string; readonly first: number; readonly last: number };

function block(text: string): Block {
  const [address, bits = '32'] = text.split('/') as [string, string | undefined];
  const first = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return { text, first, last: first + 2 ** (32 - Number(bits)) - 1 };
}

/** Pairs of what overlaps among addresses that are well formed, each with who gave it. */
export function overlaps<Giver>(
  given: readonly { readonly address: string; readonly by: Giver }[],
): { readonly address: string; readonly by: Giver; readonly with: string; readonly withBy: Giver }[] {
  // A stable order: of two equal ones the earlier given comes first.
  const blocks = given
    .map(({ address, by }) => ({ ...block(address), by }))
    .sort((one, other) => one.first - other.first);
  const found = [];
  let [widest] = blocks;
  for (const next of blocks.slice(1)) {
    if (next.first <= widest!.last)
      found.push({ address: next.text, by: next.by, with: widest!.text, withBy: widest!.by });
    if (next.last > widest!.last) widest = next;
  }
  return found;
}
