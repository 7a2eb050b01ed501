/** Cells of a line, each a text; a column is as wide as its widest cell. */
export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
};

/** An aligned table with a line of titles; `whenEmpty` instead when there is no row. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], whenEmpty: string): string {
  if (rows.length === 0) return whenEmpty;
  const lines = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => column.cell(row))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => widthOf(line[at]!))));
  return lines
    .map((line) =>
      line
        .map((cell, at) => pad(cell, widths[at]!, columns[at]!.align))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Lines of `name: value`, the values under each other. */
export function card(lines: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...lines.map(([name]) => widthOf(name)));
  return lines.map(([name, value]) => `${pad(name, width)}  ${value}`).join('\n');
}

function pad(text: string, width: number, align?: 'right'): string {
  const space = ' '.repeat(width - widthOf(text));
  return align === 'right' ? space + text : text + space;
}

const segmenter = new Intl.Segmenter('id', { granularity: 'grapheme' });
const widthOf = (text: string): number => [...segmenter.segment(text)].length;
