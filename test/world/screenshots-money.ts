import { NO_ONTS, type Ont, type OntControl } from '#domain/acs';
import { addDays, type InvoiceLine, type Rupiah } from '#domain/billing';
import { DAY, HOUR, type Instant, localDate, MINUTE } from '#domain/time';
import type { Desk } from '#operations/desk';
import { issueInvoice } from '#operations/issue-invoice';
import { receivePayment } from '#operations/receive-payment';
import { readSettings } from '#operations/settings';
import { change } from '#storage/change';
import { lockInvoice } from '#storage/invoices';

type Bill = {
  readonly description: string;
  readonly amountRupiah: Rupiah;
  readonly issuedAt: Instant;
  readonly dueInDays: number;
  /** Left out: nobody has paid it. */
  readonly paid?: { readonly at: Instant; readonly method: string; readonly from: 'midtrans' | 'xendit' | 'hand' };
};

/** Bills of the one who has a package in force, and of some others for the staff's list. */
export async function seedBills(desk: Desk, covered: number, now: Instant): Promise<void> {
  const month = { description: 'Paket Keluarga 20 Mbps', amountRupiah: 185_000, dueInDays: 10 };
  const qris = (at: Instant) => ({ at, method: 'qris', from: 'midtrans' }) as const;
  const others = await desk.db.query<{ id: number }>(
    `select id from subscriber where billing = 'postpaid' and id <> $1 order by id limit 7`,
    [covered],
  );
  for (const [at, { id }] of others.entries())
    await addBill(desk, id, {
      ...month,
      amountRupiah: [165_000, 250_000, 185_000][at % 3]!,
      issuedAt: now - (14 - at) * DAY,
      ...(at % 3 === 2 ? {} : { paid: { at: now - (8 - at) * DAY, method: 'bca', from: at % 2 ? 'xendit' : 'hand' } }),
    });
  await addBill(desk, covered, { ...month, issuedAt: now - 48 * DAY, paid: qris(now - 47 * DAY) });
  await addBill(desk, covered, { ...month, issuedAt: now - 18 * DAY, paid: qris(now - 18 * DAY + 7 * MINUTE) });
  await addBill(desk, covered, {
    ...{ description: 'Pindah modem ke lantai dua', amountRupiah: 75_000 },
    ...{ issuedAt: now - DAY, dueInDays: 7 },
  });
}

async function addBill(desk: Desk, subscriberId: number, bill: Bill): Promise<void> {
  const then = { ...desk, clock: () => bill.issuedAt };
  const { billing } = await readSettings(desk.db);
  const lines: InvoiceLine[] = [
    { kind: 'other', description: bill.description, planRevisionId: null, amountRupiah: bill.amountRupiah },
  ];
  const dueOn = addDays(localDate(bill.issuedAt, desk.zone), bill.dueInDays);
  await change(desk.db, { actor: 'staff:siti', why: 'issue invoice', subscriberId }, async (tx) => {
    const issued = await issueInvoice(tx, then, billing, { subscriberId, kind: 'other', lines, dueOn });
    const { paid } = bill;
    if (paid === undefined) return;
    await receivePayment(
      tx,
      { ...desk, clock: () => paid.at },
      {
        ...{ subscriberId, invoice: await lockInvoice(tx, issued.id), amountRupiah: bill.amountRupiah },
        ...{ method: paid.method, receivedAt: paid.at },
        gateway: paid.from === 'hand' ? null : { name: paid.from, ref: `ref-${issued.id}`, intentId: null },
      },
    );
  });
}

/** The modem that every customer of the pictures has. */
export function modems(now: Instant): OntControl {
  const reading = {
    ...{ manufacturer: 'ZTE', model: 'F670L', lastInform: now - 2 * MINUTE, rxPowerDbm: -21.3, temperatureC: 48 },
    ...{ uptimeSeconds: (76 * HOUR) / 1000, connectedDevices: 7, ssid: 'RUMAH-BUDI', ssidEnabled: true },
    ...{ pppUsername: null, pppIp: null, ssidPaths: ['ssid'], passwordPaths: ['password'], readPaths: [] },
  };
  const ont: Ont = { deviceId: 'zte-1', others: 0, reading, readAt: now - 40_000, online: true, error: null };
  return { ...NO_ONTS, ontOf: async () => ont, test: async () => ({ ok: true, says: 'it answers' }) };
}
