import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newDevice, type OntOptions, parameter, type StandInDevice, setParameter } from '#test/world/genieacs-device';
import { matches, optimised, projected } from '#test/world/genieacs-query';

/**
 * GenieACS' NBI as its sources have it (lib/nbi.ts, 1.2.16): questions whose strings are patterns, numbers and dates too,
 * tasks that are done at once (200), kept or faulted (202, told apart by nothing but the reason phrase), ids that are encoded
 * twice, a process that ends when it is asked for a pattern that is none. ONTs behave as they are told to.
 */
export type GenieAcsWorld = {
  readonly url: string;
  /** Everything that was asked, in its order. */
  readonly requests: readonly AcsRequest[];
  readonly tasks: readonly Task[];
  readonly faults: readonly Fault[];
  /** How often a question ended the process. */
  readonly crashes: number;
  add(ont: OntOptions): StandInDevice;
  device(id: string): StandInDevice;
  remove(id: string): void;
  /** The ONT reports: it is online now, and what waits for it is done. */
  inform(id: string): void;
  /** How everything is answered from now on. */
  behave(mode: Mode): void;
  stop(): Promise<void>;
};

export type Mode = {
  /** Nothing is ever answered; `given`: tasks are taken all the same. */
  readonly hang?: 'all' | 'tasks';
  readonly slowMs?: number;
  /** Every answer has this status. */
  readonly status?: number;
  /** What every question is answered with instead. */
  readonly body?: string;
  readonly redirect?: string;
  /** The proxy before it asks for this, as `user:password`. */
  readonly login?: string;
  /** As over HTTP/2 or through some proxies. */
  readonly noReasons?: boolean;
};

export type AcsRequest = {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | null;
  readonly body: string;
};

export type Task = {
  readonly _id: string;
  readonly device: string;
  readonly name: string;
  readonly uniqueKey?: string;
  readonly expiry?: string;
  readonly parameterValues?: readonly (readonly [string, string, string])[];
  readonly parameterNames?: readonly string[];
  readonly objectName?: string;
};
export type Fault = {
  readonly _id: string;
  readonly device: string;
  readonly channel: string;
  readonly code: string;
  readonly message: string;
};

export type GenieAcsOptions = {
  readonly clock?: () => number;
  /** Every ONT that can be reached reports so often; left out: only when it is told to. */
  readonly informEveryMs?: number;
  /** How long an ONT that restarts is away; left out: it is back at once. */
  readonly rebootMs?: number;
};

export async function startGenieAcs({
  clock = Date.now,
  informEveryMs,
  rebootMs = 0,
}: GenieAcsOptions = {}): Promise<GenieAcsWorld> {
  const world = new World(clock, rebootMs);
  await world.start(informEveryMs);
  return world;
}

class World implements GenieAcsWorld {
  readonly requests: AcsRequest[] = [];
  tasks: Task[] = [];
  faults: Fault[] = [];
  crashes = 0;
  url = '';
  readonly #clock: () => number;
  readonly #devices = new Map<string, StandInDevice>();
  readonly #server = createServer((request, response) => void this.#take(request, response));
  #mode: Mode = {};

  readonly #rebootMs: number;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(clock: () => number, rebootMs: number) {
    this.#clock = clock;
    this.#rebootMs = rebootMs;
  }

  async start(informEveryMs?: number): Promise<void> {
    if (informEveryMs !== undefined) this.#timers.add(setInterval(() => this.#informAll(), informEveryMs));
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  add(options: OntOptions): StandInDevice {
    const device = newDevice(options, this.#clock());
    this.#devices.set(device.id, device);
    return device;
  }

  device(id: string): StandInDevice {
    const device = this.#devices.get(id);
    if (device === undefined) throw new Error(`there is no device ${id}`);
    return device;
  }

  remove(id: string): void {
    this.#devices.delete(id);
  }

  inform(id: string): void {
    const device = this.device(id);
    device.reachable = true;
    device.document._lastInform = new Date(this.#clock()).toISOString();
    for (const task of this.tasks.filter((one) => one.device === id)) this.#run(device, task);
  }

  #informAll(): void {
    for (const device of this.#devices.values()) if (device.reachable) this.inform(device.id);
  }

  behave(mode: Mode): void {
    this.#mode = mode;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    // Not `new URL`, which would tidy the path up.
    const [path = '', search = ''] = request.url!.split('?', 2);
    const asked: AcsRequest = {
      method: request.method!,
      url: request.url!,
      path,
      query: new URLSearchParams(search),
      authorization: request.headers.authorization ?? null,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    this.requests.push(asked);
    const { hang, slowMs, status, body, redirect, login } = this.#mode;
    if (slowMs !== undefined) await new Promise((resolve) => setTimeout(resolve, slowMs));
    if (hang === 'all') return undefined;
    if (redirect !== undefined) return answer(response, 302, { location: redirect });
    if (login !== undefined && asked.authorization !== `Basic ${Buffer.from(login).toString('base64')}`)
      return answer(response, 401, { 'www-authenticate': 'Basic' });
    if (status !== undefined) return answer(response, status, {}, 'out of order');
    if (body !== undefined) return answer(response, 200, { 'content-type': 'text/html' }, body);
    try {
      return this.#route(asked, response, hang === 'tasks');
    } catch (error) {
      if (error instanceof SyntaxError && error.message.startsWith('Invalid regular expression')) {
        // Thrown where nobody catches it, it ends the worker; the next one is there in a moment.
        this.crashes += 1;
        return response.destroy();
      }
      return answer(response, 500, { connection: 'close' }, String(error));
    }
  }

  #route(asked: AcsRequest, response: ServerResponse, silent: boolean): ServerResponse | undefined {
    const device = /^\/devices\/([a-zA-Z0-9\-_%]+)\/tasks\/?$/.exec(asked.path)?.[1];
    if (device !== undefined) {
      if (asked.method !== 'POST') return answer(response, 405);
      return this.#takeTask(decodeURIComponent(device), asked, response, silent);
    }
    const task = /^\/tasks\/([a-zA-Z0-9\-_%]+)$/.exec(asked.path)?.[1];
    if (task !== undefined) return this.#deleteTask(decodeURIComponent(task), response);
    const collection = /^\/(devices|tasks|faults)\/?$/.exec(asked.path)?.[1];
    if (collection === undefined) return answer(response, 404, {}, '404 Not Found');
    if (asked.method !== 'GET' && asked.method !== 'HEAD') return answer(response, 405);
    return this.#list(collection, asked, response);
  }

  #list(collection: string, { query, method }: AcsRequest, response: ServerResponse): ServerResponse | undefined {
    let question: Record<string, unknown> = {};
    try {
      question = JSON.parse(query.get('query') ?? '{}') as Record<string, unknown>;
    } catch (error) {
      return answer(response, 400, {}, String(error));
    }
    const documents: object[] =
      collection === 'devices'
        ? [...this.#devices.values()].map((device) => device.document)
        : collection === 'tasks'
          ? this.tasks
          : this.faults;
    if (collection === 'tasks' && question._id !== undefined && !/^[0-9a-f]{24}$/.test(String(question._id)))
      throw new TypeError('Argument passed in must be a string of 12 bytes or a string of 24 hex characters');
    const found = documents.filter((one) => matches(one, question, collection === 'devices'));
    const sort = JSON.parse(query.get('sort') ?? '{}') as Record<string, number>;
    for (const [key, direction] of Object.entries(sort)) {
      const of = (one: object) => String((one as Record<string, unknown>)[key] ?? '');
      found.sort((one, other) => direction * of(one).localeCompare(of(other)));
    }
    const skipped = found.slice(Number(query.get('skip') ?? 0));
    const limited = query.has('limit') ? skipped.slice(0, Number(query.get('limit'))) : skipped;
    const wanted = query.get('projection');
    const paths = wanted === null ? null : optimised(wanted.split(',').map((path) => path.trim()));
    const rows = paths === null ? limited : limited.map((one) => projected(one, paths));
    const head = { 'content-type': 'application/json', total: String(found.length) };
    return answer(response, 200, head, method === 'HEAD' ? '' : JSON.stringify(rows));
  }

  #takeTask(id: string, asked: AcsRequest, response: ServerResponse, silent: boolean): ServerResponse | undefined {
    let given: Record<string, unknown>;
    try {
      given = JSON.parse(asked.body) as Record<string, unknown>;
    } catch (error) {
      return answer(response, 400, {}, String(error));
    }
    const device = this.#devices.get(id);
    if (device === undefined) return answer(response, 404, {}, 'No such device');
    const task = this.#insert(id, given);
    if (silent) return undefined;
    const now = asked.query.has('connection_request');
    const reason = !now
      ? 'Accepted'
      : device.inSession
        ? 'Task queued but not processed'
        : device.reachable
          ? null
          : 'Device is offline';
    if (reason !== null) return this.#accepted(response, reason, task);
    this.#run(device, task);
    if (this.faults.some((fault) => fault.channel === `task_${task._id}`))
      return this.#accepted(response, 'Task faulted', task);
    return answer(response, 200, { 'content-type': 'application/json' }, JSON.stringify(task));
  }

  #accepted(response: ServerResponse, reason: string, task: Task): ServerResponse | undefined {
    response.writeHead(202, this.#mode.noReasons ? 'Accepted' : reason, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(task));
  }

  #insert(device: string, given: Record<string, unknown>): Task {
    const shapes: Record<string, () => boolean> = {
      setParameterValues: () =>
        Array.isArray(given.parameterValues) &&
        given.parameterValues.length > 0 &&
        given.parameterValues.every((one) => Array.isArray(one) && one.length >= 2 && typeof one[0] === 'string'),
      getParameterValues: () => Array.isArray(given.parameterNames) && given.parameterNames.length > 0,
      refreshObject: () => typeof given.objectName === 'string',
      reboot: () => true,
    };
    if (shapes[String(given.name)]?.() !== true) throw new Error('Invalid task');
    if (typeof given.uniqueKey === 'string')
      this.tasks = this.tasks.filter((one) => one.device !== device || one.uniqueKey !== given.uniqueKey);
    const expiry =
      given.expiry === undefined ? {} : { expiry: new Date(this.#clock() + Number(given.expiry) * 1000).toISOString() };
    const task = { ...given, ...expiry, _id: randomBytes(12).toString('hex'), device } as unknown as Task;
    this.tasks.push(task);
    return task;
  }

  #deleteTask(id: string, response: ServerResponse): ServerResponse | undefined {
    const task = this.tasks.find((one) => one._id === id);
    if (task === undefined) return answer(response, 404, {}, 'Task not found');
    if (this.device(task.device).inSession) return answer(response, 503, {}, 'Device is in session');
    this.#drop(task);
    this.faults = this.faults.filter((fault) => fault._id !== `${task.device}:task_${id}`);
    return answer(response, 200);
  }

  #drop(task: Task): void {
    this.tasks = this.tasks.filter((one) => one !== task);
  }

  /** As the ONT does it; what it refuses stays as a task with a fault. */
  #run(device: StandInDevice, task: Task): void {
    device.done.push(task.name);
    const refusal = refusalOf(device, task);
    if (refusal !== null) {
      const channel = `task_${task._id}`;
      this.faults.push({ _id: `${device.id}:${channel}`, device: device.id, channel, ...refusal });
      return;
    }
    for (const [path, value] of task.parameterValues ?? []) setParameter(device, path, value);
    const asked = task.objectName === undefined ? (task.parameterNames ?? []) : [...device.real.keys()];
    for (const path of asked) if (device.real.has(path)) setParameter(device, path, device.real.get(path));
    device.document._lastInform = new Date(this.#clock()).toISOString();
    this.#drop(task);
    if (task.name !== 'reboot' || this.#rebootMs === 0) return;
    device.reachable = false;
    const back = () => this.#devices.has(device.id) && this.inform(device.id);
    this.#timers.add(setTimeout(back, this.#rebootMs));
  }
}

function refusalOf(device: StandInDevice, task: Task): { code: string; message: string } | null {
  if (device.refuses !== null) return device.refuses;
  for (const [path] of task.parameterValues ?? []) {
    const node = parameter(device, path);
    if (node === null) return { code: 'cwmp.9005', message: 'Invalid parameter name' };
    if (node._writable !== true) return { code: 'cwmp.9008', message: 'Attempt to set a non-writable parameter' };
  }
  return null;
}

function answer(
  response: ServerResponse,
  status: number,
  head: Readonly<Record<string, string>> = {},
  body = '',
): ServerResponse {
  response.writeHead(status, head);
  return response.end(body);
}
