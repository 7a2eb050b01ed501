import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { Teller } from '#test/world/events';
import { CERTIFICATES } from '#test/world/routeros-certificates';
import { AddressLists, type ListedEntry, type Outcome, type Row } from '#test/world/routeros-lists';
import { Sentences, sentence } from '#test/world/routeros-wire';

/**
 * The API of a simulated RouterOS: what the vendor's documentation says and what the field reports of it, on a port of
 * loopback, with the faults that routers have. No RouterOS runs here.
 */
export type RouterOsApiSettings = {
  /** 0 or left out = any free port. */
  readonly port?: number;
  /** From 7.18 on a print that finds nothing says `!empty`; before 6.43 the login is a challenge. */
  readonly version?: string;
  readonly user: string;
  readonly password: string;
  /** `true` or which certificate: TLS as on api-ssl. */
  readonly tls?: boolean | number;
  readonly identity?: string;
  /** `/ip service max-sessions`. */
  readonly maxSessions?: number;
};

/**
 * - `refuse`: nothing listens; who is connected is cut off.
 * - `hang`: takes what comes and says nothing more.
 * - `reset`: half an answer, then a reset of the connection.
 * - `bytes`: every octet in a packet of its own.
 * - `trap`, `fatal`: says so instead of carrying out.
 * - `close`: closes without a word (during the login where `on` is `/login`).
 * - `slow`: carries out after `ms`.
 */
export type Fault = {
  readonly is: 'refuse' | 'hang' | 'reset' | 'bytes' | 'trap' | 'fatal' | 'close' | 'slow';
  /** Only commands that begin so; left out: every command. */
  readonly on?: string;
  /** For so many commands; left out: until the fault is taken away. */
  readonly times?: number;
  readonly ms?: number;
  readonly message?: string;
  readonly category?: number;
};

export async function startRouterOsApi(settings: RouterOsApiSettings): Promise<RouterOsApi> {
  const router = new RouterOsApi(settings);
  await router.open();
  return router;
}

type Peer = { readonly socket: Socket; user: string | null; challenge: Buffer | null; sending: Promise<void> };

export class RouterOsApi extends Teller {
  /** Every command that came in, in words, logins without their secrets. */
  readonly commands: string[] = [];
  /** Logins so far. */
  logins = 0;
  version: string;
  password: string;
  /** Which of `CERTIFICATES` it shows. */
  certificate: number;
  readonly #settings: RouterOsApiSettings;
  readonly #lists = new AddressLists();
  readonly #peers = new Set<Peer>();
  /** Those in a TLS handshake too. */
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port: number;
  #fault: { fault: Fault; left: number } | null = null;
  #down: NodeJS.Timeout | null = null;

  constructor(settings: RouterOsApiSettings) {
    super();
    this.#settings = settings;
    this.#port = settings.port ?? 0;
    this.version = settings.version ?? '7.20';
    this.password = settings.password;
    this.certificate = typeof settings.tls === 'number' ? settings.tls : 0;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#peers.size;
  }

  /** SHA-256 of the certificate it shows, in hexadecimal. */
  get fingerprint(): string {
    const { cert } = CERTIFICATES[this.certificate]!;
    const der = Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    return createHash('sha256').update(der).digest('hex');
  }

  lists(): Omit<ListedEntry, 'id'>[] {
    return [...this.#lists.entries.values()].map(({ id: _, ...entry }) => ({ ...entry }));
  }

  /** The lists an address is in, dynamic entries and disabled ones left out; what the firewall goes by otherwise. */
  listsOf(address: string): string[] {
    const entries = [...this.#lists.entries.values()];
    return entries.filter((e) => e.address === address && !e.dynamic && !e.disabled).map((e) => e.list);
  }

  /** An entry that somebody else makes, by hand or through PPP. */
  put(entry: { list: string; address: string; comment?: string; dynamic?: boolean; disabled?: boolean }): void {
    const { list, address, comment = '', dynamic = false, disabled = false } = entry;
    const outcome = this.#lists.add({ list, address, comment, disabled: String(disabled) }, dynamic);
    if ('trap' in outcome) throw new Error(outcome.trap);
  }

  /** Takes entries away behind everybody's back; how many. */
  take(which: (entry: Omit<ListedEntry, 'id'>) => boolean): number {
    const taken = [...this.#lists.entries.values()].filter(which);
    for (const { id } of taken) this.#lists.remove({ '.id': id });
    return taken.length;
  }

  /** From now on it has this fault; null = it is well again. */
  async fault(fault: Fault | null): Promise<void> {
    this.#fault = fault === null ? null : { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
    if (fault?.is === 'refuse') await this.#close();
    else if (this.#server === null) await this.open();
  }

  /** Cuts everybody off, is away for `downMs`, and has lost what lives in memory, with `loseLists` everything. */
  async reboot({ loseLists = false, downMs = 50 }: { loseLists?: boolean; downMs?: number } = {}): Promise<void> {
    await this.#close();
    this.#lists.reboot(loseLists);
    this.tell('reboot', '', 'the router reboots');
    await new Promise<void>((resolve) => {
      this.#down = setTimeout(resolve, downMs);
    });
    await this.open();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#down ?? undefined);
    await this.#close();
  }

  async open(): Promise<void> {
    const { tls } = this.#settings;
    const server =
      tls === undefined || tls === false
        ? createServer((socket) => this.#accept(socket))
        : createTlsServer({ ...CERTIFICATES[this.certificate]! }, (socket) => this.#accept(socket));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    this.#port = (server.address() as { port: number }).port;
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  }

  #accept(socket: Socket): void {
    const peer: Peer = { socket, user: null, challenge: null, sending: Promise.resolve() };
    this.#peers.add(peer);
    socket.setNoDelay(true);
    socket.on('close', () => {
      this.#peers.delete(peer);
      this.tell('lost', peer.user ?? '', 'an API connection is over');
    });
    socket.on('error', () => undefined); // the peer reset it: `close` follows
    if (this.#peers.size > (this.#settings.maxSessions ?? 20)) return void socket.end();
    const sentences = new Sentences();
    socket.on('data', (chunk: Buffer) => {
      for (const words of sentences.take(chunk)) this.#take(peer, words);
    });
  }

  #take(peer: Peer, words: readonly string[]): void {
    const [command = '', ...rest] = words;
    const shown = rest.filter((word) => !word.startsWith('.tag='));
    this.commands.push(command === '/login' ? command : [command, ...shown].join(' '));
    const fault = this.#faultFor(command);
    if (fault?.is === 'slow') setTimeout(() => this.#answer(peer, words, null), fault.ms ?? 100);
    else this.#answer(peer, words, fault);
    this.tell('coa', '', this.commands.at(-1)!);
  }

  #faultFor(command: string): Fault | null {
    const on = this.#fault;
    if (on === null || !command.startsWith(on.fault.on ?? '')) return null;
    on.left -= 1;
    if (on.left <= 0) this.#fault = null;
    return on.fault;
  }

  #answer(peer: Peer, words: readonly string[], fault: Fault | null): void {
    const tags = words.filter((word) => word.startsWith('.tag='));
    const { socket } = peer;
    if (socket.destroyed || fault?.is === 'hang') return;
    if (fault?.is === 'close') return void socket.end();
    if (fault?.is === 'fatal') return void socket.end(sentence(['!fatal', fault.message ?? 'not logged in']));
    const outcome: Outcome =
      fault?.is === 'trap'
        ? {
            trap: fault.message ?? 'failure: simulated',
            ...(fault.category === undefined ? {} : { category: fault.category }),
          }
        : this.#carryOut(peer, words);
    const octets = Buffer.concat(
      this.#replies(words[0]!, outcome).map((reply) => sentence([reply[0]!, ...tags, ...reply.slice(1)])),
    );
    if (fault?.is === 'reset') {
      socket.write(octets.subarray(0, Math.max(1, Math.floor(octets.length / 2))), () => cutOff(socket));
    } else if (fault?.is === 'bytes') peer.sending = peer.sending.then(() => drip(socket, octets));
    else socket.write(octets);
  }

  #replies(command: string, outcome: Outcome): string[][] {
    if ('trap' in outcome) {
      const category = outcome.category === undefined ? [] : [`=category=${outcome.category}`];
      return [['!trap', ...category, `=message=${outcome.trap}`], ['!done']];
    }
    const rows = outcome.rows.map((row) => ['!re', ...Object.entries(row).map(([name, value]) => `=${name}=${value}`)]);
    const says = rows.length === 0 && command.endsWith('/print') && this.#isAtLeast(7, 18) ? [['!empty']] : [];
    return [...rows, ...says, outcome.ret === undefined ? ['!done'] : ['!done', `=ret=${outcome.ret}`]];
  }

  #carryOut(peer: Peer, words: readonly string[]): Outcome {
    const [command = ''] = words;
    const given = attributes(words);
    if (command === '/login') return this.#login(peer, given);
    if (peer.user === null) return { trap: 'not logged in' };
    const query = words.filter((word) => word.startsWith('?'));
    const proplist = given['.proplist']?.split(',') ?? null;
    switch (command) {
      case '/system/identity/print':
        return { rows: [{ name: this.#settings.identity ?? 'mikrotik' }] };
      case '/system/resource/print':
        return { rows: [{ uptime: '1d2h', version: `${this.version} (stable)`, 'board-name': 'CHR' }] };
      case '/ip/firewall/address-list/print':
        return this.#lists.print(query, proplist);
      case '/ip/firewall/address-list/add':
        return this.#lists.add(given);
      case '/ip/firewall/address-list/set':
        return this.#lists.set(given);
      case '/ip/firewall/address-list/remove':
        return this.#lists.remove(given);
      default:
        return { trap: 'no such command', category: 0 };
    }
  }

  #login(peer: Peer, { name, password, response }: Row): Outcome {
    const refused: Outcome = { trap: 'invalid user name or password (6)' };
    if (!this.#isAtLeast(6, 43)) {
      if (response === undefined || peer.challenge === null) {
        peer.challenge = randomBytes(16);
        return { rows: [], ret: peer.challenge.toString('hex') };
      }
      const digest = createHash('md5').update('\0').update(this.password).update(peer.challenge).digest('hex');
      if (name !== this.#settings.user || response !== `00${digest}`) return refused;
    } else if (name !== this.#settings.user || password !== this.password) return refused;
    peer.user = name;
    this.logins += 1;
    return { rows: [] };
  }

  #isAtLeast(major: number, minor: number): boolean {
    const [ours = 0, theirs = 0] = this.version.split('.').map(Number);
    return ours > major || (ours === major && theirs >= minor);
  }
}

/** With a RST where the socket can. */
function cutOff(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/** The `=name=value` words of a sentence. */
function attributes(words: readonly string[]): Row {
  const given: Record<string, string> = {};
  for (const word of words) {
    const [, name, value = ''] = /^=([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name !== undefined) given[name] = value;
  }
  return given;
}

/** Each octet once the one before it has gone out. */
async function drip(socket: Socket, octets: Buffer): Promise<void> {
  for (let at = 0; at < octets.length && !socket.destroyed; at += 1) {
    await new Promise((resolve) => socket.write(octets.subarray(at, at + 1), () => setImmediate(resolve)));
  }
}
