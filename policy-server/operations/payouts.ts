import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { GATEWAYS, type GatewayName } from '#domain/gateway';
import { transfer } from '#domain/ledger';
import { printRupiah } from '#domain/print';
import { say } from '#domain/say';
import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { filled, rupiahAmount } from '#operations/find-invoice';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import { balances, post } from '#storage/ledger';

export const payoutSchema = z.object({
  gateway: z.enum(GATEWAYS).describe(say`midtrans or xendit`),
  /** What arrived at the bank. */
  amountRupiah: rupiahAmount,
  /** What the gateway kept. */
  feeRupiah: z
    .union([z.literal(0), z.literal('0').transform(() => 0), rupiahAmount])
    .default(0)
    .describe(say`whole rupiah, for example 4000; 0 = none`),
  /** On the bank's statement: booked twice it counts once. */
  reference: z
    .string()
    .trim()
    .regex(/^[^\p{Cc}]{3,100}$/u)
    .describe(say`3 to 100 characters that name the payout on the bank's statement, for example MID-20261121`),
});

/**
 * The bank got money that a gateway held for us: out of its clearing account into the bank's, and what it kept is a fee.
 * Returns what the gateway holds of ours then.
 *
 * @throws InvalidInput for wrong fields, a reference that is booked already, or more than the gateway holds
 */
export async function recordPayout(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly gateway: GatewayName; readonly holdsRupiah: number }> {
  const given = parseInput(payoutSchema, filled(input));
  const { gateway, amountRupiah, feeRupiah } = given;
  const clearing = { account: `clearing:${gateway}` } as const;
  return change(desk.db, { actor: desk.actor, why: 'record payout', detail: given }, async (tx) => {
    const at = desk.clock();
    const holds = (await balances(tx)).get(clearing.account) ?? 0;
    const booked = await post(tx, {
      kind: 'payout',
      reference: `payout:${gateway}:${given.reference}`,
      subscriberId: null,
      at,
      day: localDate(at, desk.zone),
      entries: [
        ...transfer(clearing, { account: 'bank' }, amountRupiah),
        ...transfer(clearing, { account: 'fee' }, feeRupiah),
      ],
    });
    if (!booked) throw new InvalidInput([say`the payout ${given.reference} of ${gateway} is booked already`]);
    if (amountRupiah + feeRupiah > holds) {
      throw new InvalidInput([
        say`${gateway} holds ${printRupiah(holds)} of ours by the books; look at the amounts again`,
      ]);
    }
    return { gateway, holdsRupiah: holds - amountRupiah - feeRupiah };
  });
}
