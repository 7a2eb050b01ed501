import { hasWords, type Language, words } from '#portal/shared/words';
import type { ReceivedPayment } from '#storage/receipts';

/** How money came in, in words: `QRIS`, `Tunai`. A way that is newer than the texts is shown by its own name. */
export function methodText({ language }: { readonly language: Language }, method: string): string {
  const key = `methods.${method.toLowerCase().replaceAll('_', '-')}`;
  return hasWords(language, key) ? words(language, key) : method.replaceAll('_', ' ');
}

/** The same with who took it: `QRIS (Midtrans)`. */
export function methodWords(
  language: Language,
  { method, gateway }: Pick<ReceivedPayment, 'method' | 'gateway'>,
): string {
  const shown = methodText({ language }, method);
  return gateway === null ? shown : `${shown} (${gatewayName(gateway)})`;
}

/** As the company writes itself. */
export const gatewayName = (gateway: string): string => gateway.charAt(0).toUpperCase() + gateway.slice(1);
