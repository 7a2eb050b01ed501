import { keysOf } from '#portal/shared/words';

/** One page as a browser without scripts has it. */
export type Page = {
  readonly status: number;
  /** Where it was found after all redirects, without the origin. */
  readonly path: string;
  readonly headers: Headers;
  readonly text: string;
  /** Where a redirect leads; null when it is none. */
  readonly location: string | null;
};

export type FormFields = Readonly<Record<string, string | readonly string[] | File>>;

export type RequestOptions = {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with every form instead of the token of the page that was opened last; null = none. */
  readonly token?: string | null;
};

const MOST_REDIRECTS = 10;

const AREAS = [...new Set(keysOf('id').map((key) => key.split('.', 1)[0]))].join('|');
const KEY = new RegExp(`[>"]\\s*((?:${AREAS})\\.[a-z][a-z0-9-]*)\\s*[<"]`);

/** A page that shows the key of a text has no text for it. */
function refuseKeys(path: string, html: string): void {
  const key = KEY.exec(html)?.[1];
  if (key !== undefined) throw new Error(`${path} shows the key ${key} instead of a text`);
}

/** A browser that keeps cookies, follows redirects and sends forms, but runs no scripts: what the pages have to do with. */
export class Browserlike {
  readonly cookies = new Map<string, string>();
  readonly #origin: string;
  #token: string | null = null;

  constructor(origin: string, cookies: Readonly<Record<string, string>> = {}) {
    this.#origin = origin;
    for (const [name, value] of Object.entries(cookies)) this.cookies.set(name, value);
  }

  /** Opens a page, over redirects, and keeps the token of its forms. */
  async open(path: string, options: RequestOptions = {}): Promise<Page> {
    return this.#follow(await this.fetch(path, options.headers === undefined ? {} : { headers: options.headers }));
  }

  /** Fills the form of the page that was opened last and sends it, over redirects. A `File` makes it multipart. */
  async submit(path: string, fields: FormFields = {}, options: RequestOptions = {}): Promise<Page> {
    return this.#follow(await this.post(path, fields, options));
  }

  /** Like `submit`, without following where the answer leads. */
  post(path: string, fields: FormFields = {}, options: RequestOptions = {}): Promise<Page> {
    const token = options.token === undefined ? this.token() : options.token;
    const body = bodyOf(token === null ? fields : { ...fields, _csrf: token });
    return this.fetch(path, { method: 'POST', body, headers: { origin: this.#origin, ...options.headers } });
  }

  /** One request with the cookies, no redirect followed. */
  async fetch(path: string, init: RequestInit = {}): Promise<Page> {
    const headers = new Headers(init.headers);
    if (this.cookies.size > 0) headers.set('cookie', [...this.cookies].map((pair) => pair.join('=')).join('; '));
    const answer = await fetch(new URL(path, this.#origin), { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) this.#keep(line);
    const text = await answer.text();
    if (answer.headers.get('content-type')?.startsWith('text/html')) refuseKeys(path, text);
    return { status: answer.status, path, headers: answer.headers, text, location: answer.headers.get('location') };
  }

  /** The token of the page that was opened last. */
  token(): string {
    if (this.#token === null) throw new Error('no page with a form has been opened');
    return this.#token;
  }

  async #follow(first: Page): Promise<Page> {
    let page = first;
    for (let count = 0; page.location !== null; count += 1) {
      if (count === MOST_REDIRECTS) throw new Error(`redirects without end: ${page.location}`);
      const { origin, pathname, search } = new URL(page.location, new URL(page.path, this.#origin));
      if (origin !== this.#origin) return page;
      page = await this.fetch(pathname + search);
    }
    this.#token = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? this.#token;
    return page;
  }

  #keep(line: string): void {
    const [pair, ...attributes] = line.split(';');
    const at = pair!.indexOf('=');
    const name = pair!.slice(0, at).trim();
    const gone = attributes.some((one) => /^\s*(max-age=0|expires=thu, 01 jan 1970)/i.test(one));
    if (gone) this.cookies.delete(name);
    else this.cookies.set(name, pair!.slice(at + 1));
  }
}

function bodyOf(fields: FormFields): URLSearchParams | FormData {
  const multipart = Object.values(fields).some((value) => value instanceof File);
  const body = multipart ? new FormData() : new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) body.append(name, one);
  }
  return body;
}

/** What a page says, without its markup; entities as characters, blanks as one. */
export function textOf(html: string): string {
  return html
    .replace(/<(script|style)[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#x27;|&#39;/g, "'")
    .replace(/&#x3D;/g, '=')
    .replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ')
    .trim();
}
