import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Teller } from '#test/world/events';

/** The web server that both simulated payment gateways are: what was asked, answers, pages, and the faults of a network. */
export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};

export type Answer = {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * `silent-before`: no answer, and nothing is done; `silent-after`: it is done, but the answer is lost; `drip`: an answer that
 * never ends; `down`: the line is cut; `html` and `html-ok`: a proxy's page with 502 and 200; `busy`, `limited`: 503 and 429;
 * `redirect`: to another address; `null`, `empty`: 200 with such a body; `echo`: a refusal that repeats what was sent with its
 * keys.
 */
export type Fault =
  | 'silent-before'
  | 'silent-after'
  | 'drip'
  | 'down'
  | 'html'
  | 'html-ok'
  | 'busy'
  | 'limited'
  | 'redirect'
  | 'null'
  | 'empty'
  | 'echo';

export const json = (status: number, body: unknown): Answer => ({
  status,
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

export const page = (status: number, title: string, content: string): Answer => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: `<!doctype html><html lang="id"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>body{font:16px sans-serif;max-width:30rem;margin:2rem auto;padding:0 1rem}button,select{font:inherit;padding:.6rem;margin:.3rem 0;width:100%}</style>
<h1>${escaped(title)}</h1>${content}</html>`,
});

export const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);

export const redirect = (to: string): Answer => ({ status: 303, body: '', headers: { location: to } });

const HTML = page(502, '502 Bad Gateway', '<p>nginx</p>');

export abstract class GatewayWeb extends Teller {
  /** Everything that was asked, oldest first. */
  readonly requests: Asked[] = [];
  /** Whom somebody wanted to speak to who takes us for a proxy. */
  readonly tunnels: string[] = [];
  /** The events it has sent, or is sending. */
  readonly deliveries: Delivery[] = [];
  /** Where `redirect` leads to. */
  elsewhere = 'http://127.0.0.1:9/';
  #fault: (asked: Asked) => Fault | null = () => null;
  #always: Answer | null = null;
  #url = '';
  readonly #ending = new AbortController();
  #close: () => Promise<void> = async () => undefined;

  /** What the gateway does about a request and says to it. */
  protected abstract answerTo(asked: Asked): Answer;

  get url(): string {
    return this.#url;
  }

  /** From now on, for everything or for what the function says; null = none. */
  fault(fault: Fault | null | ((asked: Asked) => Fault | null)): void {
    this.#fault = typeof fault === 'function' ? fault : () => fault;
  }

  /** Everything is answered so, until it is null. */
  answerAll(answer: Answer | null): void {
    this.#always = answer;
  }

  async start(port = 0): Promise<void> {
    const server = createServer((request, response) => {
      void this.#take(request, response).catch((error: unknown) => {
        this.tell('fault', '', `a mistake of the stand-in: ${String(error)}`);
        response.destroy();
      });
    });
    server.on('connect', (request, socket) => {
      this.tunnels.push(request.url ?? '');
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#close = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#close();
    await Promise.allSettled(this.deliveries.map(({ done }) => done));
  }

  /** Sends an event until it is taken, as the rule has it, and no longer than until `stop`. */
  protected send(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    rule: RetryRule,
    timeoutMs: number,
  ): Delivery {
    const sent = deliver(url, headers, body, rule, timeoutMs, this.#ending.signal);
    this.deliveries.push(sent);
    return sent;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { pathname, searchParams } = new URL(request.url ?? '/', this.#url);
    const asked: Asked = {
      method: request.method ?? 'GET',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: Buffer.concat(parts).toString('utf8'),
    };
    this.requests.push(asked);
    const fault = this.#fault(asked);
    if (fault !== null) this.tell('fault', '', `${asked.method} ${asked.path}: ${fault}`);
    if (fault === 'silent-before') return;
    if (fault === 'down') return void response.destroy();
    const isWhole = fault === null || fault === 'silent-after';
    const ready = isWhole ? (this.#always ?? this.answerTo(asked)) : this.#broken(fault, asked);
    if (fault === 'silent-after') return;
    response.writeHead(ready.status, ready.headers);
    if (fault === 'drip') return drip(response);
    response.end(ready.body);
  }

  #broken(fault: Fault, asked: Asked): Answer {
    const body = { status: 503, message: 'busy' };
    switch (fault) {
      case 'html':
        return HTML;
      case 'html-ok':
        return { ...HTML, status: 200 };
      case 'limited':
        return json(429, body);
      case 'redirect':
        return { status: 302, body: '', headers: { location: this.elsewhere } };
      case 'null':
        return json(200, null);
      case 'empty':
        return { status: 200, body: '' };
      case 'drip':
        return json(200, '');
      case 'echo':
        return echo(asked);
      default:
        return json(503, body);
    }
  }
}

/** A gateway, or a proxy before it, that shows us what we sent, deep in its answer. */
function echo({ headers }: Asked): Answer {
  const basic = headers.authorization ?? '';
  const key = Buffer.from(basic.replace('Basic ', ''), 'base64').toString();
  const words = `bad request ${basic} ${key} ${encodeURIComponent(key)}`;
  return json(400, {
    error_messages: [words],
    error_code: 'BAD',
    message: words,
    errors: [{ nested: { config: { auth: { username: key } }, headers: { authorization: basic } } }],
  });
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), 20);
  response.on('close', () => clearInterval(timer));
}

export type Attempt = { readonly status: number | null; readonly url: string };
export type Delivery = { readonly body: string; readonly attempts: Attempt[]; readonly done: Promise<void> };

/** How long after an attempt the next one comes; null: none any more. `status` null: no answer in time. */
export type RetryRule = (status: number | null, attempts: number) => number | null;

/** Sends an event until it is taken, as the gateway's rule has it. */
function deliver(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  rule: RetryRule,
  timeoutMs: number,
  signal: AbortSignal,
): Delivery {
  const attempts: Attempt[] = [];
  const run = async (to: string): Promise<void> => {
    const patience = AbortSignal.any([AbortSignal.timeout(timeoutMs), signal]);
    const status = await post(to, headers, body, patience);
    attempts.push({ status: typeof status === 'number' ? status : status.status, url: to });
    const last = attempts.at(-1)!.status;
    if (typeof status !== 'number' && status.location !== null && attempts.length <= 5) return run(status.location);
    const pause = rule(last, attempts.length);
    if (pause === null || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    if (!signal.aborted) await run(to);
  };
  return { body, attempts, done: run(url) };
}

type Posted = number | { readonly status: number | null; readonly location: string | null };

async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<Posted> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      redirect: 'manual',
      signal,
    });
    await response.arrayBuffer();
    const follows = response.status === 307 || response.status === 308;
    return follows ? { status: response.status, location: response.headers.get('location') } : response.status;
  } catch {
    return { status: null, location: null }; // nobody there, or too slow: the rule says what comes of it
  }
}
