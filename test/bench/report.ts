/** One measured value of a bench. */
export type Row = {
  name: string;
  value: number;
  unit: string;
  /** What it must reach (issue's numbers); a bench shows it and never fails on it. */
  goal?: number;
  /** Whether more is better; true where it is left out. */
  higherIsBetter?: boolean;
  /** Name of another row that this one is compared with. */
  ratioTo?: string;
};

function printNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}

function goalOf({ goal, value, unit, higherIsBetter }: Row): string {
  if (goal === undefined) return '';
  const reached = higherIsBetter === false ? value <= goal : value >= goal;
  return `${higherIsBetter === false ? '≤' : '≥'} ${printNumber(goal)} ${unit} ${reached ? 'reached' : 'MISSED'}`;
}

function ratioOf(row: Row, rows: readonly Row[]): string {
  if (row.ratioTo === undefined) return '';
  const other = rows.find(({ name }) => name === row.ratioTo);
  if (!other || other.value === 0) return `no row "${row.ratioTo}"`;
  return `${(row.value / other.value).toFixed(2)} × ${row.ratioTo}`;
}

/** The rows as a table for people, ratios beside the values. */
export function printReport(rows: readonly Row[]): string {
  const heading = ['measured', 'value', 'ratio', 'goal'];
  const cells = rows.map((row) => [row.name, `${printNumber(row.value)} ${row.unit}`, ratioOf(row, rows), goalOf(row)]);
  const widths = heading.map((head, i) => Math.max(head.length, ...cells.map((cell) => (cell[i] as string).length)));
  const line = (cell: readonly string[]) =>
    cell
      .map((text, i) => (i === 1 ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
      .join('  ')
      .trimEnd();
  return [line(heading), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}
