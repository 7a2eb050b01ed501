import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert } from '#domain/assert';

/** An `import … from 'package'` or `import 'package'` at the beginning of a line, as bundled packages have them. */
const BARE_IMPORT = /^((?:import|export)\s+[\w*{][^'"();]*?\sfrom\s*|import\s*)(['"])([@\w][^'"]*)\2/gm;

/** A script and the addresses of all the modules that it loads, directly or not. */
export type BrowserModule = { readonly body: Buffer; readonly imports: readonly string[] };

/**
 * Serves ES modules of packages as they are, without a build: browsers know no bare names, so `from '@codemirror/view'`
 * becomes the address of the asset that holds that package. An address carries the hash of its content, and a content
 * the addresses of what it imports: a package that changes has all that stand on it loaded anew.
 */
export class BrowserModules {
  readonly #add: (name: string, body: Buffer) => string;
  /** By name; null while it is being loaded. */
  readonly #known = new Map<string, { readonly url: string; readonly imports: readonly string[] } | null>();

  /** `add` keeps an asset and returns its address. */
  constructor(add: (name: string, body: Buffer) => string) {
    this.#add = add;
  }

  /** A script with the addresses of assets in place of the bare names of packages. */
  load(text: string, of: string): BrowserModule {
    const imports = new Set<string>();
    const body = text.replace(BARE_IMPORT, (_all, start: string, quote: string, name: string) => {
      const found = this.#module(name, of);
      for (const url of [...found.imports, found.url]) imports.add(url);
      return start + quote + found.url + quote;
    });
    return { body: Buffer.from(body), imports: [...imports] };
  }

  #module(name: string, of: string): { readonly url: string; readonly imports: readonly string[] } {
    const known = this.#known.get(name);
    assert(known !== null, `${of} and ${name} import each other`);
    if (known !== undefined) return known;
    this.#known.set(name, null);
    const { body, imports } = this.load(readFileSync(fileURLToPath(import.meta.resolve(name)), 'utf8'), name);
    const loaded = { url: this.#add(assetName(name), body), imports };
    this.#known.set(name, loaded);
    return loaded;
  }
}

/** `@codemirror/view` → `codemirror-view.js`. */
const assetName = (name: string): string => `${name.replace(/^@/, '').replaceAll('/', '-')}.js`;
