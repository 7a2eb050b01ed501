import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#domain/clock';
import type { Counters } from '#radius/counters';
import type { NasTable, Source } from '#radius/nas-table';
import type { RestDesk } from '#radius/rest-desk';
import { type Asked, accountingPacket, numberIn, readAsked, textIn } from '#radius/rest-json';
import type { Recorded } from '#radius/server';

/**
 * The HTTP door of a RADIUS worker, where a FreeRADIUS asks by rlm_rest (freeradius-config/): `POST /aaa/authorize`,
 * `/aaa/accounting` and `/aaa/post-auth`. It stands in the worker itself, for the directory and the journal are there.
 *
 * What FreeRADIUS makes of a status: 200 and 204 are answers. 400, 404, 413, 415 and 422 mean "never": sent again it would
 * be the same. Everything else, 401 among it, means "not now": the site file stays silent towards the router and keeps
 * accounting. No status means Access-Reject.
 */
export class RestDoor {
  readonly #server: Server;
  readonly #settings: RestDoorSettings;
  readonly #expected: Buffer;

  private constructor(settings: RestDoorSettings) {
    this.#settings = settings;
    this.#expected = padded(`Basic ${Buffer.from(`${USER}:${settings.token}`).toString('base64')}`);
    this.#server = createServer(LIMITS, (request, response) => this.#take(request, response));
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.on('clientError', (_, socket) => {
      this.#settings.counters.restRefused += 1;
      socket.destroy();
    });
  }

  /** Rejects with the system's error when the address or port cannot be had. */
  static async open(settings: RestDoorSettings): Promise<RestDoor> {
    const door = new RestDoor(settings);
    const { host, port, reusePort } = settings;
    door.#server.listen({ host, port, reusePort, backlog: 1024 });
    await once(door.#server, 'listening');
    door.#server.on('error', settings.onError);
    return door;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more requests; those under way are still answered until `closeAll`. */
  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  closeAll(): void {
    this.#server.closeAllConnections();
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#refusalOf(request);
    if (refusal !== null) {
      this.#refuse(response, refusal);
      return;
    }
    const parts: Buffer[] = [];
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
      if (length <= MOST_BODY_OCTETS) parts.push(part);
      else if (!response.headersSent) this.#refuse(response, TOO_LARGE);
    });
    request.on('end', () => {
      if (response.headersSent) return;
      this.#guarded(request.url!, parts.length === 1 ? parts[0]! : Buffer.concat(parts), response);
    });
  }

  /** Looked at before a body is read: who shows no token gets nothing read. */
  #refusalOf({ headers, method, url }: IncomingMessage): Refusal | null {
    if (!timingSafeEqual(padded(headers.authorization ?? ''), this.#expected))
      return [401, 'the token is missing or wrong: it is AAA_TOKEN of Gerbang and gerbang_token of FreeRADIUS'];
    if (!PATHS.has(url ?? '')) return [404, 'there is only /aaa/authorize, /aaa/accounting and /aaa/post-auth'];
    if (method !== 'POST') return [405, 'only POST'];
    if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return [415, 'only application/json'];
    return Number(headers['content-length'] ?? 0) > MOST_BODY_OCTETS ? TOO_LARGE : null;
  }

  /** A bug of ours must not end the worker, nor let anybody in. */
  #guarded(path: string, body: Buffer, response: ServerResponse): void {
    try {
      const refusal = this.#answer(path, body, response);
      if (refusal !== null) this.#refuse(response, refusal);
    } catch (error) {
      this.#settings.onError(error);
      this.#refuse(response, [500, 'a mistake of ours; see the log of Gerbang']);
    }
  }

  /** null: it is answered, or will be. */
  #answer(path: string, body: Buffer, response: ServerResponse): Refusal | null {
    const asked = readAsked(body);
    if (asked === null) return [400, 'the body is not JSON as rlm_rest writes it'];
    const named = textIn(asked, 'NAS-IP-Address') ?? textIn(asked, 'NAS-IPv6-Address');
    if (named === undefined) return [422, 'NAS-IP-Address or NAS-IPv6-Address is missing'];
    const router = this.#settings.nases().find(named);
    if (router === undefined) return [404, 'this is the address of no NAS; see: gerbang nas list'];
    if (path === '/aaa/accounting') return this.#account(asked, router, response);
    if (textIn(asked, 'User-Name') === undefined) return [422, 'User-Name is missing'];
    if (path === '/aaa/authorize') return this.#authorize(asked, router, response);
    this.#settings.desk.rejected(asked, router.nas, this.#settings.clock());
    response.writeHead(204).end();
    return null;
  }

  #authorize(asked: Asked, router: Source, response: ServerResponse): Refusal | null {
    const answer = this.#settings.desk.authorize(asked, router.nas, this.#settings.clock());
    if (answer === null) return [503, 'not every subscriber is known yet'];
    // With its length it leaves in one piece; without it Node sends it in chunks, each with a length of its own.
    response.writeHead(200, { ...JSON_TEXT, 'content-length': Buffer.byteLength(answer) }).end(answer);
    return null;
  }

  /** Answered when the record is on disk. */
  #account(asked: Asked, router: Source, response: ServerResponse): Refusal | null {
    if (!asked.has('Acct-Status-Type')) return [422, 'Acct-Status-Type is missing'];
    const packet = accountingPacket(asked, numberIn(asked, SECONDS));
    if (packet === null) return [413, 'more than a RADIUS packet holds'];
    const taken = this.#settings.record(packet, router, () => response.writeHead(204).end());
    return taken ? null : [503, 'the accounting journal takes nothing just now'];
  }

  #refuse(response: ServerResponse, [status, why]: Refusal): void {
    this.#settings.counters.restRefused += 1;
    // Plain text, for rlm_rest would read attributes out of the JSON of a 401.
    const text = { 'content-type': 'text/plain; charset=utf-8' };
    response.writeHead(status, KEPT.has(status) ? text : { ...text, connection: 'close' }).end(`${why}\n`);
  }
}

type Refusal = readonly [status: number, why: string];

export type RestDoorSettings = {
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
  readonly reusePort: boolean;
  readonly token: string;
  readonly desk: RestDesk;
  readonly nases: () => NasTable;
  /** `RadiusServer.record`. */
  readonly record: (packet: Buffer, router: Source, recorded: Recorded) => boolean;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
};

/** Of the token; mods-available/gerbang_rest has it too. */
const USER = 'gerbang';
const PATHS = new Set(['/aaa/authorize', '/aaa/accounting', '/aaa/post-auth']);
/** A RADIUS packet has 4096 octets; as JSON with names and in hexadecimal it is several times that. */
const MOST_BODY_OCTETS = 64 * 1024;
const TOO_LARGE: Refusal = [413, `the body is larger than ${MOST_BODY_OCTETS} octets`];
/** A pool of FreeRADIUS has some dozens; whoever opens more shares what is left. */
const MOST_CONNECTIONS = 1024;
/** After these the connection stays: they are FreeRADIUS' own, about one request of many. */
const KEPT = new Set([400, 404, 422, 503]);
/** Where the site file puts Event-Timestamp as a number. */
const SECONDS = 'Tmp-Integer-0';
const JSON_TEXT = { 'content-type': 'application/json' };

/**
 * A client that does not come to the point is cut off; FreeRADIUS closes idle connections itself, after a minute, so that
 * it never sends into one that we are closing.
 */
const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 90_000,
  maxHeaderSize: 8 * 1024,
  noDelay: true,
};

/** As long for every token, so that comparing takes the same time; what is longer is cut and equal to none. */
function padded(text: string): Buffer {
  const octets = Buffer.alloc(MOST_TOKEN_OCTETS);
  octets.write(text, 'latin1');
  return octets;
}

const MOST_TOKEN_OCTETS = 512;
