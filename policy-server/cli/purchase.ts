import { printInstant, printRupiah } from '#domain/print';
import { cancelPurchase } from '#operations/cancel-purchase';
import { faultsOf } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { settlePurchase, settlePurchaseSchema } from '#operations/settle-purchase';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { type Column, table } from '#policy-server/cli/table';
import { openPurchases, type Purchase, purchasesOf } from '#storage/purchases';
import { findSubscriber } from '#storage/subscribers';

const AT_MOST = 100;
const NUMBER = { name: 'NUMBER', help: 'of a purchase, for example P-7K3M9QXA' } as const;

export const purchaseList: Command = {
  name: 'purchase list',
  summary: 'List the purchases that wait for their money',
  options: { username: { value: 'USERNAME', help: 'instead all of this subscriber, the newest first' } },
  run: async ({ db, clock, zone }, given) => {
    const username = textOf(given, 'username');
    const rows = username === undefined ? await openPurchases(db, { limit: AT_MOST }, clock()) : await of(username);
    return { text: table(rows, columns(zone), 'none'), json: rows };

    async function of(name: string): Promise<Purchase[]> {
      const { id } = (await findSubscriber(db, name)) ?? noSuchSubscriber(name);
      return purchasesOf(db, id, AT_MOST, clock());
    }
  },
};

const columns = (zone: string): Column<Purchase>[] => [
  { title: 'number', cell: (row) => row.number },
  { title: 'username', cell: (row) => row.username },
  { title: 'plan', cell: (row) => row.plan },
  { title: 'price', cell: (row) => printRupiah(row.priceRupiah), align: 'right' },
  { title: 'ordered', cell: (row) => printInstant(row.orderedAt, zone) },
  { title: 'state', cell: (row) => row.state },
  { title: 'until', cell: (row) => printInstant(row.until ?? row.expiresAt, zone) },
];

const settleInput = (given: Given) => ({
  number: given.words[0],
  method: textOf(given, 'method'),
  note: textOf(given, 'note'),
});

export const purchaseSettle: Command = {
  name: 'purchase settle',
  summary: 'The money is in hand: activate the package',
  positionals: [NUMBER],
  options: {
    method: { value: 'cash|transfer', help: 'how it was paid', required: true },
    note: { value: 'TEXT', help: 'for example which transfer' },
  },
  notes: ['One that expired or was cancelled is settled too: what was paid for is given. Twice is once.'],
  check: (given) =>
    faultsOf(settlePurchaseSchema, settleInput(given)).filter((fault) => !fault.includes(': missing; ')),
  run: async (office, given) => {
    const settled = await settlePurchase(office, settleInput(given));
    const span = `from ${printInstant(settled.from, office.zone)} until ${printInstant(settled.until, office.zone)}`;
    const text = settled.alreadySettled
      ? `It was settled before: grant ${settled.grantId}, ${span}. Nothing was changed.`
      : `The package is active ${span} (grant ${settled.grantId}).`;
    return { text, json: settled };
  },
};

export const purchaseCancel: Command = {
  name: 'purchase cancel',
  summary: 'Cancel a purchase that was not paid',
  positionals: [NUMBER],
  run: async (office, given) => {
    const [number] = given.words as [string];
    const { changed } = await cancelPurchase(office, number);
    const text = changed ? `Purchase ${number} is cancelled.` : `Purchase ${number} was cancelled before.`;
    return { text, json: { number, changed } };
  },
};
