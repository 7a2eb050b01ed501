/** Digits of a PIN of the portal. */
export const PIN_LENGTH = 6;

/** Why a PIN cannot be taken. */
export type PinFault =
  | 'not-six-digits'
  /** `777777`, `121212`, `123123`: one to three digits over and over. */
  | 'repeats'
  /** `123456`, `987654`, `890123`. */
  | 'run'
  /** It stands in the Portal ID, which whoever guesses knows. */
  | 'portal-id'
  /** The end of the telephone number. */
  | 'phone';

/** Why this PIN would be among the first that somebody tries; null when it would not. */
export function pinFault(
  pin: string,
  of: { readonly portalId: string | null; readonly phone: string | null },
): PinFault | null {
  if (!/^\d{6}$/.test(pin)) return 'not-six-digits';
  if ([1, 2, 3].some((length) => pin.slice(0, length).repeat(PIN_LENGTH / length) === pin)) return 'repeats';
  if (isRun(pin, 1) || isRun(pin, -1)) return 'run';
  if (of.portalId?.includes(pin)) return 'portal-id';
  if (of.phone?.replace(/\D/g, '').endsWith(pin)) return 'phone';
  return null;
}

function isRun(pin: string, step: number): boolean {
  const digits = Array.from(pin, Number);
  return digits.every((digit, at) => at === 0 || digit === (digits[at - 1]! + step + 10) % 10);
}
