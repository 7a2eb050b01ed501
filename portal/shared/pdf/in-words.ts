const DIGITS = ['', 'satu', 'dua', 'tiga', 'empat', 'lima', 'enam', 'tujuh', 'delapan', 'sembilan'];
const GROUPS = [
  [1_000_000_000_000, 'triliun'],
  [1_000_000_000, 'miliar'],
  [1_000_000, 'juta'],
  [1_000, 'ribu'],
] as const;

/** An amount as an Indonesian receipt says it: `tiga ratus ribu rupiah`. From 0 up to below 10^15. */
export function rupiahInWords(rupiah: number): string {
  return `${rupiah === 0 ? 'nol' : inWords(rupiah)} rupiah`;
}

function inWords(number: number): string {
  for (const [size, name] of GROUPS) {
    if (number < size) continue;
    const [count, rest] = [Math.floor(number / size), number % size];
    // One thousand alone is contracted; one million is not.
    return joined(count === 1 && size === 1_000 ? 'seribu' : `${inWords(count)} ${name}`, rest);
  }
  if (number >= 100) {
    const hundreds = Math.floor(number / 100);
    return joined(hundreds === 1 ? 'seratus' : `${DIGITS[hundreds]} ratus`, number % 100);
  }
  if (number >= 20) return joined(`${DIGITS[Math.floor(number / 10)]} puluh`, number % 10);
  if (number === 10) return 'sepuluh';
  if (number === 11) return 'sebelas';
  return number > 11 ? `${DIGITS[number - 10]} belas` : DIGITS[number]!;
}

const joined = (head: string, rest: number): string => (rest === 0 ? head : `${head} ${inWords(rest)}`);
