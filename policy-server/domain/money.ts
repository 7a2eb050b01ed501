/** Money is whole rupiah everywhere; there are no smaller coins to round to. */

/** `Rp 75.000`, negative amounts as `-Rp 75.000`. The space is an ordinary one (Intl would put U+00A0 there). */
export function printRupiah(amountRupiah: number | bigint): string {
  const digits = amountRupiah.toString();
  const negative = digits.startsWith('-');
  const grouped = (negative ? digits.slice(1) : digits).replace(/\B(?=(\d{3})+$)/g, '.');
  return `${negative ? '-' : ''}Rp ${grouped}`;
}

/** Reads `75000`, `75.000` or `Rp 75.000` as whole rupiah; null for anything else (also `75.00`, which could mean two things). */
export function parseRupiah(text: string): number | null {
  const match = /^(?:Rp\.?\s*)?(\d+|\d{1,3}(?:\.\d{3})+)$/i.exec(text.trim());
  if (match === null) return null;
  const amount = Number(match[1]!.replaceAll('.', ''));
  return Number.isSafeInteger(amount) ? amount : null;
}
