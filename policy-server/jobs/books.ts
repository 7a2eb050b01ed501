import type { Clock } from '#domain/clock';
import { localDate } from '#domain/time';
import type { Job } from '#jobs/job';

/** What `close` did: what became revenue, and the days that are closed now with their seals. */
type Closed = {
  readonly recognised: { readonly day: string; readonly invoices: number; readonly rupiah: number };
  readonly days: readonly { readonly day: string; readonly transactions: number; readonly hash: Buffer }[];
};

/**
 * Soon after each local midnight the books of the day are closed; `close` does it. It looks every quarter of an hour, for
 * the company's midnight is at any quarter of UTC's hours, and after an outage as soon as it can. The seals stand in the log:
 * whoever changes the database cannot change those too.
 */
export function booksJob(clock: Clock, zone: string, close: () => Promise<Closed>): Job {
  let closedOn: string | null = null;
  return {
    name: 'books',
    everySeconds: 900,
    scope: 'cluster',
    run: async () => {
      const today = localDate(clock(), zone);
      if (closedOn === today) return null;
      const { recognised, days } = await close();
      closedOn = today;
      const said = [
        ...(recognised.invoices === 0
          ? []
          : [`${recognised.rupiah} rupiah of ${recognised.invoices} invoices earned by the end of ${recognised.day}`]),
        ...days.map(
          ({ day, transactions, hash }) => `closed ${day}: ${transactions} transactions, ${hash.toString('hex')}`,
        ),
      ];
      return said.length === 0 ? null : said.join('; ');
    },
  };
}

/** Every minute gateways are asked for the refunds that are ordered and not at their end; `ask` returns how many it asked for. */
export const refundsJob = (ask: (signal: AbortSignal) => Promise<number>): Job => ({
  name: 'refunds',
  everySeconds: 60,
  scope: 'cluster',
  run: async (signal) => {
    const asked = await ask(signal);
    return asked === 0 ? null : `asked for ${asked} refunds`;
  },
});
