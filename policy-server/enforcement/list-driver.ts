/**
 * The port through which enforcement reaches the address-lists of routers, for lines that have a fixed address and no
 * session. An implementation never throws for what a router or the network does.
 */
export type ListDriver = {
  /** Have this address of a subscriber in that list of its router and in no other of ours; null = in none. */
  place(line: ListedLine): Promise<ListAnswer>;
};

export type ListedLine = {
  readonly nasId: number;
  readonly subscriberId: number;
  /** `10.1.2.3` or `10.1.2.0/29`. */
  readonly address: string;
  readonly list: string | null;
  /** The router acknowledged no entry for it, nor was one seen: it can be added without asking. */
  readonly isNew: boolean;
};

/**
 * - `done`: it is so; `act` is what it took, null when it was so already.
 * - `refused`: the router said no, and why is in `said`.
 * - `silent`: no answer; whether it was carried out is unknown.
 */
export type ListAnswer = {
  readonly is: 'done' | 'refused' | 'silent';
  readonly act: ListAct | null;
  readonly said: string;
};

export type ListAct = 'list-add' | 'list-move' | 'list-remove';
