import type { Job } from '#jobs/job';

/** What `match` did: how often each answer was given. */
type Matched = Readonly<Record<string, number | undefined>>;

/** Of what the gateways say, this is worth a line: everything else was known. */
const WORTH_SAYING: Readonly<Record<string, string>> = {
  settled: 'paid, of which nobody told us',
  credited: 'paid and kept as credit',
  unmatched: 'paid and waiting for a person',
  reversed: 'reversed or charged back',
  refunded: 'refunded',
  contradiction: 'contradicting what was paid',
  unanswered: 'without an answer',
  failed: 'failed by a mistake of ours',
};

/** Every hour, above all at night, the gateways are asked again about the orders of the last 35 days. */
export const paymentsJob = (match: (signal: AbortSignal) => Promise<Matched>): Job => ({
  name: 'payments',
  everySeconds: 3_600,
  scope: 'cluster',
  run: async (signal) => {
    const matched = await match(signal);
    const found = Object.entries(WORTH_SAYING).flatMap(([answer, words]) => {
      const count = matched[answer] ?? 0;
      return count === 0 ? [] : [`${count} ${words}`];
    });
    return found.length === 0 ? null : `payments matched with the gateways: ${found.join(', ')}`;
  },
});
