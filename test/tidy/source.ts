import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository as text, for the tests that hold everybody to the rules of the house. Paths are relative to its root. */
export type Source = { readonly path: string; readonly text: string; readonly lines: readonly string[] };

export const root = fileURLToPath(new URL('../../', import.meta.url));

const notOurs = new Set(['node_modules', '.git', 'data', 'data-demo', '.tmp', 'coverage']);

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (notOurs.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : entry.isFile() ? [path] : [];
  });
}

/** Every file whose path ends so. */
export function files(...endings: string[]): Source[] {
  return walk(root)
    .map((path) => relative(root, path))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, lines: text.split('\n') };
    });
}

export function source(path: string, text: string): Source {
  return { path, text, lines: text.split('\n') };
}

/** The code with comments and the contents of strings blanked out, each line where it was. Imports stay readable. */
export function bare(text: string): string {
  const blank = (match: string) => match.replace(/[^\n]/g, ' ');
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*(?=[\s,;.)\]]|$)/g;
  return text.replace(token, (match) =>
    match.startsWith('/') ? blank(match) : `${match[0]}${blank(match.slice(1, -1))}${match.at(-1)}`,
  );
}

export type Import = { readonly line: number; readonly of: string };

/** What a file imports, by `import`, `export … from`, and `import()`. */
export function imports(file: Source): Import[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;
  return [...file.text.matchAll(pattern)].map((match) => ({
    of: (match[1] ?? match[2] ?? match[3]) as string,
    line: file.text.slice(0, match.index + match[0].length).split('\n').length,
  }));
}

/** Lines of the bare code that match, as `path:line  text`. */
export function findings(sources: readonly Source[], pattern: RegExp): string[] {
  return sources.flatMap((file) =>
    bare(file.text)
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1}  ${file.lines[i]?.trim()}`] : [])),
  );
}
