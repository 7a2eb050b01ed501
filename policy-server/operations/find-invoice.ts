import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Queryable } from '#storage/database';
import { type Invoice, invoiceByNumber, invoiceByPublicId, lockInvoice } from '#storage/invoices';

/** How staff name an invoice: by the number on it, or by the id that addresses show. */
export const invoiceName = z
  .string()
  .trim()
  .regex(/^\S{1,60}$/)
  .describe(say`the number of an invoice, for example INV-2026-001`);

/** Whole rupiah above zero; people part thousands with dots. */
export const rupiahAmount = z
  .union([z.number(), z.string()])
  .transform((given) =>
    Number(
      String(given)
        .trim()
        .replace(/^Rp\s*/i, '')
        .replace(/\.(?=\d{3}(\D|$))/g, ''),
    ),
  )
  .refine((rupiah) => Number.isInteger(rupiah) && rupiah > 0 && rupiah <= 1e12)
  .describe(say`whole rupiah above zero, for example 75000 or 75.000`);

/** Why something is done with money: it stays in the books' papers and in the audit. */
export const moneyReason = z
  .string()
  .trim()
  .regex(/^[^\p{Cc}]+$/u)
  .max(500)
  .describe(say`why, in at most 500 characters, for example three days without service`);

/** Of a form that is sent twice by mistake: it is done once. */
export const onceKey = z
  .string()
  .regex(/^[A-Za-z0-9-]{8,64}$/)
  .describe(say`8 to 64 letters, digits and dashes`);

/** The same field where it may be left out; what is allowed there is still said. */
export const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.optional().describe(schema.description ?? '');

/** Of a form's fields, those that were filled in. */
export const filled = (input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(input).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  );

/** @throws InvalidInput when there is none of that name */
export async function findInvoice(q: Queryable, name: string): Promise<Invoice> {
  const found = name.startsWith('inv_')
    ? await invoiceByPublicId(q, name)
    : await invoiceByNumber(q, name.toUpperCase());
  return found ?? noSuchInvoice(name);
}

/** The same with its row and its subscriber's locked. */
export const lockInvoiceOf = async (tx: Queryable, name: string): Promise<Invoice> =>
  (await lockInvoice(tx, (await findInvoice(tx, name)).id))!;

export function noSuchInvoice(name: string): never {
  throw new InvalidInput([say`there is no invoice ${name}; see: invoice list`]);
}
