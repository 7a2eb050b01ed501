import { z } from 'zod';
import { type Acs, type AcsOrder, type AcsOutcome, AcsRefusal, type FoundOnt, isOntOnline } from '#domain/acs';
import type { Clock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { say } from '#domain/say';
import type { Settings } from '#domain/settings';
import { SECOND } from '#domain/time';
import {
  type DeviceDocument,
  dialsAs,
  lastInformOf,
  NATIVE_USERNAMES,
  projectionOf,
  readingOf,
  usernamePaths,
} from '#integrations/genieacs/reading';

export type GenieAcsOptions = {
  readonly settings: Settings['genieacs'] & { readonly url: string };
  /** Of the proxy before NBI, which has no users of its own; null = none. */
  readonly password: string | null;
  readonly clock: Clock;
  /** Cuts off whatever is on its way. */
  readonly signal?: AbortSignal;
  readonly readMs?: number;
  readonly searchMs?: number;
  readonly giveMs?: number;
};

export const READ_MS = 10 * SECOND;
/** To look through all devices without an index. */
export const SEARCH_MS = 30 * SECOND;
/** Before it answers NBI waits for a session to end (30 s), for the device to come (`timeout`) and for its session (120 s). */
export const GIVE_MS = 170 * SECOND;
const DEVICE_COMES_MS = 10 * SECOND;
/** Devices looked at of one name: more than a few is a question that NBI took for a pattern. */
const MOST_HITS = 100;
const LONGEST_MESSAGE = 200;

/**
 * GenieACS by its NBI (docs.genieacs.com, "API Reference"; lib/nbi.ts, lib/query.ts of its sources). NBI takes strings of a
 * question about devices for patterns, numbers and dates too, so what it answers is compared again here. Its 202 says nothing
 * but that the task is there: what became of it is asked of `/faults` and `/tasks`.
 */
export class GenieAcs implements Acs {
  readonly #options: GenieAcsOptions;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: GenieAcsOptions) {
    const { settings, password } = options;
    this.#options = options;
    this.#base = settings.url.replace(/\/+$/, '');
    const login = `${settings.username}:${password ?? ''}`;
    this.#headers = login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  }

  async find(username: string, knownDeviceId: string | null): Promise<FoundOnt | null> {
    const names = usernamePaths(this.#options.settings.paths);
    const online = (device: DeviceDocument) => this.#isOnline(device);
    const known = knownDeviceId === null ? null : await this.#device(knownDeviceId);
    // One that is silent may have been exchanged: another one may dial by the name by now.
    if (known !== null && online(known) && dialsAs(known, username, names)) return this.#found(known, null, 0);
    const [newest, ...others] = await this.#dialing(username);
    const device = newest === undefined ? null : await this.#device(newest._id);
    return device === null ? null : this.#found(device, others.length, others.filter(online).length);
  }

  #isOnline(device: DeviceDocument): boolean {
    const { clock, settings } = this.#options;
    return isOntOnline(lastInformOf(device), clock(), settings.informMinutes);
  }

  #found(device: DeviceDocument, others: number | null, othersOnline: number): FoundOnt {
    return { deviceId: device._id, reading: readingOf(device, this.#options.settings.paths), others, othersOnline };
  }

  async give(deviceId: string, order: AcsOrder, key: string, expirySeconds: number): Promise<AcsOutcome> {
    const { giveMs = GIVE_MS } = this.#options;
    const path = `/devices/${pathPart(deviceId)}/tasks?timeout=${DEVICE_COMES_MS}&connection_request`;
    const task = { ...taskOf(order), uniqueKey: key, expiry: expirySeconds };
    const answer = await this.#ask('POST', path, giveMs, JSON.stringify(task));
    if (answer.status === 200) return { is: 'done' };
    if (answer.status === 404) return { is: 'gone' };
    if (answer.status !== 202) throw refusal(answer);
    const acsId = idOf(jsonOrNull(answer.text)) ?? (await this.waitingOrder(deviceId, key));
    // Neither named nor there any more: it was carried out meanwhile.
    return acsId === null ? { is: 'done' } : this.outcomeOf(deviceId, acsId);
  }

  async waitingOrder(deviceId: string, key: string): Promise<string | null> {
    const [task] = await this.#list('tasks', { query: { device: deviceId, uniqueKey: key }, projection: ['_id'] });
    return idOf(task);
  }

  async outcomeOf(deviceId: string, acsId: string): Promise<AcsOutcome> {
    // In this order: a task that faults in between is seen in both, one that ends well in neither.
    const [task] = await this.#list('tasks', { query: { _id: acsId }, projection: ['_id'] });
    const [fault] = await this.#list('faults', { query: { _id: `${deviceId}:task_${acsId}` } });
    if (fault !== undefined) {
      const { code, message } = faultSchema.parse(fault);
      return { is: 'faulted', acsId, code, message: message.slice(0, LONGEST_MESSAGE) };
    }
    return task === undefined ? { is: 'done' } : { is: 'waiting', acsId };
  }

  async takeBack(acsId: string): Promise<boolean> {
    const answer = await this.#ask('DELETE', `/tasks/${pathPart(acsId)}`, this.#readMs);
    if (answer.status === 503) return false; // the device is just being talked to
    if (answer.status === 200 || answer.status === 404) return true;
    throw refusal(answer);
  }

  async test(): Promise<string | null> {
    try {
      await this.#list('devices', { projection: ['_id'], limit: 1 });
      return null;
    } catch (error) {
      if (error instanceof Unavailable || error instanceof AcsRefusal) return error.message;
      throw error;
    }
  }

  /**
   * Those that dial by exactly this name, the one heard of last first. The configured paths are asked alone at first: a
   * provider of many has an index on them, which MongoDB cannot use for a question that has other paths in it too.
   */
  async #dialing(username: string): Promise<DeviceDocument[]> {
    const { pppUsername } = this.#options.settings.paths;
    const told = await this.#search(username, pppUsername);
    // A device that is new may not have its virtual parameters yet.
    const more = told.some((device) => this.#isOnline(device)) ? [] : await this.#search(username, NATIVE_USERNAMES);
    const all = new Map([...told, ...more].map((device) => [device._id, device]));
    return [...all.values()].sort((one, other) => (lastInformOf(other) ?? 0) - (lastInformOf(one) ?? 0));
  }

  async #search(username: string, paths: readonly string[]): Promise<DeviceDocument[]> {
    if (paths.length === 0) return [];
    const { searchMs = SEARCH_MS } = this.#options;
    const asked = questionText(username);
    const question = {
      query: { $or: paths.map((path) => ({ [path]: asked })) },
      projection: ['_id', '_lastInform', ...paths.map((path) => `${path}._value`)],
      sort: { _lastInform: -1 },
      limit: MOST_HITS,
    };
    const found = await this.#list('devices', question, searchMs);
    return found.filter(isDevice).filter((device) => dialsAs(device, username, paths));
  }

  async #device(id: string): Promise<DeviceDocument | null> {
    const projection = projectionOf(this.#options.settings.paths);
    const found = await this.#list('devices', { query: { _id: id }, projection, limit: MOST_HITS });
    return found.filter(isDevice).find((device) => device._id === id) ?? null;
  }

  async #list(
    collection: 'devices' | 'tasks' | 'faults',
    question: Question,
    deadlineMs = this.#readMs,
  ): Promise<unknown[]> {
    const given = Object.entries(question).map(([name, value]) => {
      const text = Array.isArray(value) ? value.join(',') : typeof value === 'object' ? JSON.stringify(value) : value;
      return `${name}=${encodeURIComponent(text)}`;
    });
    const answer = await this.#ask('GET', `/${collection}/?${given.join('&')}`, deadlineMs);
    if (answer.status !== 200) throw refusal(answer);
    const rows = jsonOrNull(answer.text);
    if (!Array.isArray(rows)) throw new AcsRefusal(NOT_NBI);
    return rows;
  }

  get #readMs(): number {
    return this.#options.readMs ?? READ_MS;
  }

  async #ask(method: string, path: string, deadlineMs: number, body?: string): Promise<Answer> {
    const { signal } = this.#options;
    const deadline = AbortSignal.timeout(deadlineMs);
    const headers = { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    try {
      const response = await fetch(`${this.#base}${path}`, {
        method,
        headers,
        redirect: 'error', // the password goes to nobody else
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        ...(body === undefined ? {} : { body }),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      // What fetch throws says nothing of the address or the password, but nothing of use to people either.
      const inTime = !(error instanceof DOMException && error.name === 'TimeoutError');
      throw new Unavailable(inTime ? say`GenieACS cannot be reached` : say`GenieACS does not answer`);
    }
  }
}

type Answer = { readonly status: number; readonly text: string };
type Question = {
  readonly query?: object;
  readonly projection?: readonly string[];
  readonly sort?: object;
  readonly limit?: number;
};

const NOT_NBI = say`what answers there is not GenieACS' NBI; its port is 7557, not that of its pages`;

const faultSchema = z.object({ code: z.coerce.string().catch(''), message: z.coerce.string().catch('') });

/**
 * A text NBI compares as it is. `*` and `/x/` it would take for patterns, the latter even for one that is none, which ends
 * it; they are asked for by a pattern of ours in which nothing but letters and digits stands for itself.
 */
function questionText(text: string): string {
  const isPattern = text.includes('*') || /^\/.*\/g?i?m?y?$/s.test(text);
  return isPattern ? `/^${text.replace(/[^A-Za-z0-9]/g, '.')}$/` : text;
}

/** Ids contain percent signs that are theirs, so they are encoded once more; NBI's routes know only what is left then. */
const pathPart = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*~.]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

function taskOf(order: AcsOrder): object {
  switch (order.is) {
    case 'set':
      return {
        name: 'setParameterValues',
        parameterValues: order.values.map(([path, value]) => [path, value, 'xsd:string']),
      };
    case 'refresh':
      return order.paths.length === 0
        ? { name: 'refreshObject', objectName: 'VirtualParameters' }
        : { name: 'getParameterValues', parameterNames: order.paths };
    case 'reboot':
      return { name: 'reboot' };
  }
}

function refusal({ status }: Answer): Error {
  if (status === 401 || status === 403) return new AcsRefusal(say`GenieACS refuses the user name or the password`);
  // An invalid task is a 500 as well, and does not become better by being repeated.
  if (status === 500) return new AcsRefusal(say`GenieACS failed at this (HTTP 500)`);
  if (status > 500) return new Unavailable(say`GenieACS cannot be reached (HTTP ${status})`);
  return new AcsRefusal(status === 404 ? NOT_NBI : say`GenieACS refuses this (HTTP ${status})`);
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not an answer of NBI
  }
}

const idOf = (row: unknown): string | null => {
  const parsed = z.object({ _id: z.string() }).safeParse(row);
  return parsed.success ? parsed.data._id : null;
};

const isDevice = (row: unknown): row is DeviceDocument => idOf(row) !== null;
