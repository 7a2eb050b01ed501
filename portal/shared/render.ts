import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import { assert } from '#domain/assert';
import { FARTHEST } from '#domain/time';
import { BrowserModules } from '#portal/shared/browser-modules';
import { barChart, ring, sparkline } from '#portal/shared/charts';
import type { Format } from '#portal/shared/format';
import { icon } from '#portal/shared/icons';
import { said } from '#portal/shared/said';
import { type Values, words } from '#portal/shared/words';

/**
 * The templates: every `.hbs` below `portal/` by its path without the ending (`customer/splash/splash`). Those in
 * `shared/partials/` and those whose name begins with `_` can be called from others by their bare name (`{{> _form}}`).
 *
 * In a template: `{{t 'area.key' name=value}}` a text · `{{said line}}` what the product says in English · `{{rupiah n}} {{bytes n}} {{rate n}} {{date at}} {{datetime at}}
 * {{ago at}} {{number n}} {{duration ms}}` values · `{{icon 'wifi'}}` · `{{asset 'customer.css'}}` the address of an asset · `{{module 'policy.js'}}` a script that imports others ·
 * `{{{csrf}}}` the hidden field that every form needs · `{{#if (eq a b)}}`, `(not a)`, `(or a b)`, `(and a b)` ·
 * `{{{ring share 'label'}}}`, `{{{bars list}}}`, `{{{spark list}}}` pictures · `{{time at}}` relative and `{{clock at}}` 18.00, the exact one on hover.
 */
const ROOT = fileURLToPath(new URL('../', import.meta.url));
const handlebars = Handlebars.create();
const templates = new Map<string, Handlebars.TemplateDelegate>();

/** What a page is rendered with besides its model. */
export type View = {
  readonly format: Format;
  /** The token of this browser's forms. */
  readonly csrf: string;
  readonly nonce?: string;
};

export type Layout = 'customer' | 'staff' | 'bare';

/** The page as text. `frame` is what the layout shows around it. */
export function render(view: View, layout: Layout, template: string, model: object, frame: object): string {
  const data = { view };
  const body = templateOf(template)(model, { data });
  return templateOf(`shared/layouts/${layout}`)({ ...frame, language: view.format.language, body }, { data });
}

/** A piece of a page, for scripts that replace one part. */
export function renderPart(view: View, template: string, model: object): string {
  return templateOf(template)(model, { data: { view } });
}

function templateOf(name: string): Handlebars.TemplateDelegate {
  const template = templates.get(name);
  assert(template !== undefined, `there is no template portal/${name}.hbs`);
  return template;
}

type HelperOptions = Handlebars.HelperOptions & { readonly data: { readonly view: View } };
const formatOf = (options: HelperOptions): Format => options.data.view.format;

/** A helper that prints one value, or nothing where there is none. */
const printing =
  <Value>(print: (format: Format, value: Value) => string) =>
  (value: Value | null | undefined, options: HelperOptions): string =>
    value === undefined || value === null ? '' : print(formatOf(options), value);

/** A helper that prints an instant in short, the exact one on hover. What never comes is said so. */
const timeElement =
  (print: (format: Format, at: number) => string) =>
  (at: number | null | undefined, options: HelperOptions): string | Handlebars.SafeString => {
    if (at === undefined || at === null) return '';
    const format = formatOf(options);
    const exact = format.dateTime(at);
    if (Math.abs(at) > FARTHEST) return exact;
    const [shown, title] = [print(format, at), exact].map((text) => Handlebars.escapeExpression(text));
    return new Handlebars.SafeString(`<time datetime="${new Date(at).toISOString()}" title="${title}">${shown}</time>`);
  };

const helpers: Record<string, Handlebars.HelperDelegate> = {
  t: (key: string, options: HelperOptions) => words(formatOf(options).language, key, options.hash as Values),
  said: printing<string>((format, line) => said(format, line)),
  rupiah: printing<number>((format, amount) => format.rupiah(amount)),
  bytes: (value: number | null | undefined, options: HelperOptions) =>
    value === undefined ? '' : formatOf(options).bytes(value),
  rate: printing<number>((format, bps) => format.rate(bps)),
  date: printing<number>((format, at) => format.date(at)),
  datetime: printing<number>((format, at) => format.dateTime(at)),
  ago: printing<number>((format, at) => format.ago(at)),
  number: printing<number>((format, value) => format.number(value)),
  duration: printing<number>((format, ms) => format.duration(ms)),
  time: timeElement((format, at) => format.ago(at)),
  clock: timeElement((format, at) => format.clock(at)),
  icon: (name: string) => new Handlebars.SafeString(icon(name)),
  asset: (name: string) => assetUrl(name),
  module: (name: string) => new Handlebars.SafeString(moduleElements(name)),
  csrf: (options: HelperOptions) =>
    new Handlebars.SafeString(
      `<input type="hidden" name="_csrf" value="${Handlebars.escapeExpression(options.data.view.csrf)}">`,
    ),
  eq: (one: unknown, other: unknown) => one === other,
  not: (value: unknown) => !value,
  or: (one: unknown, other: unknown) => one || other,
  and: (one: unknown, other: unknown) => one && other,
  gt: (one: number, other: number) => one > other,
  ring: (share: number, label: string) => new Handlebars.SafeString(ring(share, Handlebars.escapeExpression(label))),
  bars: (bars: Parameters<typeof barChart>[0], options: HelperOptions) =>
    new Handlebars.SafeString(barChart(bars, Handlebars.escapeExpression(String(options.hash.label ?? '')))),
  spark: (values: readonly number[], options: HelperOptions) =>
    new Handlebars.SafeString(sparkline(values, Handlebars.escapeExpression(String(options.hash.label ?? '')))),
};

/** The files under `assets/` and from packages that browsers load, by name; the address changes with the content. */
export type Asset = {
  readonly type: string;
  readonly body: Buffer;
  readonly url: string;
  /** The addresses of all that a script imports, directly or not. */
  readonly imports: readonly string[];
};
const assets = new Map<string, Asset>();
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
};

export const assetOf = (name: string): Asset | undefined => assets.get(name);

function assetUrl(name: string): string {
  const asset = assets.get(name);
  assert(asset !== undefined, `there is no asset ${name}`);
  return asset.url;
}

/** The script, and beside it what it imports: all is asked for at once, instead of one module after the other. */
function moduleElements(name: string): string {
  const url = assetUrl(name);
  const { imports } = assets.get(name)!;
  const preloads = imports.map((one) => `<link rel="modulepreload" href="${one}">`);
  return [...preloads, `<script type="module" src="${url}"></script>`].join('\n');
}

function loadAsset(name: string, body: Buffer, imports: readonly string[] = []): string {
  const version = createHash('sha256').update(body).digest('base64url').slice(0, 8);
  const type = TYPES[name.split('.').at(-1)!];
  assert(type !== undefined, `an asset of a kind that browsers are told of: ${name}`);
  assert(!assets.has(name), `one asset is called ${name}`);
  const url = `/assets/${name}?v=${version}`;
  assets.set(name, { type, body, url, imports });
  return url;
}

/** Stands before the sheet of customers and that of staff, in one file with it: what they have in common. */
const BASE = 'base.css';
const BASED: readonly string[] = ['customer.css', 'staff.css'];

function load(): void {
  handlebars.registerHelper(helpers);
  const knownHelpers = Object.fromEntries(Object.keys(helpers).map((name) => [name, true]));
  for (const path of readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.hbs'))) {
    const name = path.slice(0, -'.hbs'.length).replaceAll('\\', '/');
    const template = handlebars.compile(readFileSync(new URL(`../${name}.hbs`, import.meta.url), 'utf8'), {
      knownHelpers,
      knownHelpersOnly: true,
      preventIndent: true,
    });
    templates.set(name, template);
    const bare = basename(name);
    if (name.startsWith('shared/partials/') || bare.startsWith('_')) {
      assert(handlebars.partials[bare] === undefined, `two partials are called ${bare}`);
      handlebars.registerPartial(bare, template);
    }
  }
  const ours = (name: string) => readFileSync(new URL(`../assets/${name}`, import.meta.url));
  const base = ours(BASE);
  const modules = new BrowserModules(loadAsset);
  for (const name of readdirSync(new URL('../assets/', import.meta.url)).filter((one) => one !== BASE)) {
    const { body, imports } = name.endsWith('.js')
      ? modules.load(ours(name).toString('utf8'), name)
      : { body: BASED.includes(name) ? Buffer.concat([base, ours(name)]) : ours(name), imports: [] };
    loadAsset(name, body, imports);
  }
  loadAsset('uplot.js', readFileSync(fileURLToPath(import.meta.resolve('uplot/dist/uPlot.iife.min.js'))));
  loadAsset('uplot.css', readFileSync(fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css'))));
}

load();
