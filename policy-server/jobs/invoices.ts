import { printRupiah } from '#domain/money';
import type { Job } from '#jobs/job';

/** What `run` did: see `operations/run-invoices.ts`. */
type Run = Readonly<Record<'subscribers' | 'invoices' | 'rupiah' | 'settled', number>>;

/**
 * The periods of postpaid lines that have begun are billed. Four times an hour, so that also where a zone is off by half
 * an hour or three quarters a slot begins with the local day; when nothing is due it is one look at an index.
 */
export const invoicesJob = (run: (signal: AbortSignal) => Promise<Run>): Job => ({
  name: 'invoices',
  everySeconds: 900,
  scope: 'cluster',
  run: async (signal) => {
    const { subscribers, invoices, rupiah, settled } = await run(signal);
    if (subscribers === 0) return null;
    return `invoices: ${invoices} of ${subscribers} subscribers, ${printRupiah(rupiah)}, ${settled} paid from credit`;
  },
});
