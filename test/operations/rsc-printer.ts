/** Prints settings the way RouterOS exports them: alphabetical, quoted where needed, lines broken at a width. */
export type Wrap = { readonly width: number; readonly terse: boolean; readonly end: string };

export function printExport(menu: string, rows: readonly Record<string, string>[], how: Wrap): string {
  const lines = rows.map((row) => {
    const settings = Object.entries(row)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, value]) => ` ${key}=${printValue(value)}`);
    return broken(`${how.terse ? `${menu} ` : ''}add${settings.join('')}`, how);
  });
  const head = ['# nov/21/2026 09:00:00 by RouterOS 6.49.8', '#', ...(how.terse ? [] : [menu])];
  return [...head, ...lines].map((line) => line + how.end).join('');
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  $: '\\$',
  '?': '\\?',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function printValue(value: string): string {
  if (/^[A-Za-z0-9@.:!#*/+~-]+$/.test(value)) return value;
  const signs = [...value].map((sign) => SHORT[sign] ?? (/[ -~]/.test(sign) ? sign : octets(sign)));
  return `"${signs.join('')}"`;
}

const octets = (sign: string) =>
  Array.from(Buffer.from(sign), (octet) => `\\${octet.toString(16).toUpperCase().padStart(2, '0')}`).join('');

/** A backslash ends each broken line and four blanks begin the next; inside quotes a blank that begins it is written `\_`. */
function broken(line: string, { width, end }: Wrap): string {
  let out = '';
  let column = 0;
  let quoted = false;
  for (const part of line.match(/\\(?:[0-9A-F]{2}|.)|[^\\]/gsu) ?? []) {
    // Outside of quotes a router breaks behind a blank or an equals sign only.
    const breaks = column + part.length >= width && part !== '"' && (quoted || /[ =]$/.test(out));
    if (breaks) out += `\\${end}    `;
    out += breaks && part === ' ' ? '\\_' : part;
    column = breaks ? 4 + part.length : column + part.length;
    if (part === '"') quoted = !quoted;
  }
  return out;
}
