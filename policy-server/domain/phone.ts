/**
 * A telephone number as digits with its country code, the way WhatsApp names people: `0812-3456-7890`, `+62 812…`,
 * `62812…` and `812…` all become `62812…`. Without a code the number is Indonesian. Null when it cannot be a number.
 */
export function internationalDigits(phone: string): string | null {
  const compact = phone.replace(/[\s().-]/g, '');
  if (!/^\+?\d+$/.test(compact)) return null;
  const digits = withCountry(compact);
  return /^[1-9]\d{7,14}$/.test(digits) && !/^620/.test(digits) ? digits : null;
}

function withCountry(compact: string): string {
  if (compact.startsWith('+')) return compact.slice(1).replace(/^620/, '62');
  if (compact.startsWith('00')) return compact.slice(2);
  if (compact.startsWith('0')) return `62${compact.slice(1)}`;
  return compact.startsWith('8') ? `62${compact}` : compact.replace(/^620/, '62');
}
