/** What `/ip firewall address-list` of a simulated router holds, with its queries and its refusals. */

export type ListedEntry = {
  readonly id: string;
  list: string;
  address: string;
  comment: string;
  disabled: boolean;
  /** Made by PPP or with `timeout=`: gone after a reboot. */
  readonly dynamic: boolean;
};

export type Row = Readonly<Record<string, string>>;

/** What a command came to: rows, or a trap. */
export type Outcome =
  | { readonly rows: readonly Row[]; readonly ret?: string }
  | { readonly trap: string; readonly category?: number };

const NO_ITEM: Outcome = { trap: 'no such item', category: 0 };
const THERE_ALREADY: Outcome = { trap: 'failure: already have such entry' };

export class AddressLists {
  readonly entries = new Map<string, ListedEntry>();
  readonly #taken = new Set<string>();
  #next = 1;

  add(words: Row, dynamic = false): Outcome {
    const { list, address } = words;
    if (list === undefined || address === undefined) return { trap: 'missing value(s) of argument(s) list address' };
    const plain = plainAddress(address);
    if (plain === null) return { trap: `invalid value for argument address:\n    invalid value of mask`, category: 1 };
    if (this.#taken.has(`${list} ${plain}`)) return THERE_ALREADY;
    const id = `*${(this.#next++).toString(16).toUpperCase()}`;
    const entry = {
      id,
      list,
      address: plain,
      comment: words.comment ?? '',
      disabled: isYes(words.disabled),
      dynamic: dynamic || words.timeout !== undefined,
    };
    this.entries.set(id, entry);
    this.#taken.add(`${list} ${plain}`);
    return { rows: [], ret: id };
  }

  set(words: Row): Outcome {
    const entry = this.entries.get(words['.id'] ?? '');
    if (entry === undefined) return NO_ITEM;
    if (entry.dynamic) return { trap: 'failure: can not change dynamic entry' };
    const list = words.list ?? entry.list;
    if (list !== entry.list && this.#taken.has(`${list} ${entry.address}`)) return THERE_ALREADY;
    this.#taken.delete(`${entry.list} ${entry.address}`);
    entry.list = list;
    this.#taken.add(`${list} ${entry.address}`);
    if (words.comment !== undefined) entry.comment = words.comment;
    if (words.disabled !== undefined) entry.disabled = isYes(words.disabled);
    return { rows: [] };
  }

  remove(words: Row): Outcome {
    const entry = this.entries.get(words['.id'] ?? '');
    if (entry === undefined) return NO_ITEM;
    this.entries.delete(entry.id);
    this.#taken.delete(`${entry.list} ${entry.address}`);
    return { rows: [] };
  }

  print(query: readonly string[], proplist: readonly string[] | null): Outcome {
    const rows: Row[] = [];
    for (const entry of this.entries.values()) {
      if (!fits(entry, query)) continue;
      const row = rowOf(entry);
      rows.push(
        proplist === null ? row : Object.fromEntries(proplist.filter((p) => p in row).map((p) => [p, row[p]!])),
      );
    }
    return { rows };
  }

  /** What only lives in memory is gone; with `all` everything is, as after a reset of the configuration. */
  reboot(all: boolean): void {
    for (const entry of [...this.entries.values()]) if (all || entry.dynamic) this.remove({ '.id': entry.id });
  }
}

/** As RouterOS prints it: no comment where there is none, `/32` left out. */
function rowOf(entry: ListedEntry): Row {
  return {
    '.id': entry.id,
    list: entry.list,
    address: entry.address,
    'creation-time': '2026-11-21 10:00:00',
    dynamic: String(entry.dynamic),
    disabled: String(entry.disabled),
    ...(entry.comment === '' ? {} : { comment: entry.comment }),
  };
}

const isYes = (text: string | undefined): boolean => text === 'yes' || text === 'true';

function plainAddress(text: string): string | null {
  const match = /^(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/.exec(text);
  if (match === null) return /^[a-z0-9.-]+$/i.test(text) ? text : null;
  const [, address = '', length] = match;
  if (address.split('.').some((part) => Number(part) > 255) || Number(length ?? 32) > 32) return null;
  return length === undefined || length === '32' ? address : `${address}/${length}`;
}

/** The query words of `print`: `?name`, `?-name`, `?name=x`, `?#` with `!`, `&`, `|`; at the end all that is left must hold. */
function fits(entry: ListedEntry, query: readonly string[]): boolean {
  const property = (name: string): string | undefined =>
    name === 'address' || name === 'list' ? entry[name] : rowOf(entry)[name];
  const stack: boolean[] = [];
  for (const word of query) {
    if (word.startsWith('?#')) operate(stack, word.slice(2));
    else if (word.startsWith('?-')) stack.push(property(word.slice(2)) === undefined);
    else {
      const [, name = '', value] = /^\?=?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
      stack.push(value === undefined ? property(name) !== undefined : property(name) === value);
    }
  }
  return stack.every(Boolean);
}

function operate(stack: boolean[], operations: string): void {
  for (const operation of operations) {
    const top = stack.pop() ?? false;
    if (operation === '!') stack.push(!top);
    else if (operation === '&') stack.push((stack.pop() ?? true) && top);
    else if (operation === '|') stack.push((stack.pop() ?? false) || top);
  }
}
