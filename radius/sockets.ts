import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ReplySocket } from '#radius/server';

/**
 * The UDP sockets of one port: one for each address, so that a reply leaves from the address that was asked (RFC 5080
 * section 2.2.2; Node cannot say where a datagram was sent to). A wildcard stands for every address of the machine, looked
 * through again every ten seconds, for addresses come (VRRP, a new VPN) and go.
 */
export class UdpPort {
  readonly #sockets = new Map<string, Socket>();
  readonly #settings: UdpPortSettings;
  #port: number;
  #timer: NodeJS.Timeout | null = null;

  private constructor(settings: UdpPortSettings) {
    this.#settings = settings;
    this.#port = settings.port;
  }

  /** Rejects with the system's error when an address cannot be bound (in use, not ours, not permitted). */
  static async open(settings: UdpPortSettings): Promise<UdpPort> {
    const port = new UdpPort(settings);
    for (const address of port.#wanted()) await port.#bind(address);
    if (settings.hosts.some(isWildcard)) port.#timer = setInterval(() => port.#follow(), INTERFACES_EVERY_MS);
    return port;
  }

  /** The port number in use on every address. */
  get port(): number {
    return this.#port;
  }

  get addresses(): string[] {
    return [...this.#sockets.keys()];
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    const closed = [...this.#sockets.values()].map((socket) => new Promise<void>((done) => socket.close(() => done())));
    this.#sockets.clear();
    await Promise.all(closed);
  }

  #wanted(): string[] {
    const own = this.#settings.interfaceAddresses ?? interfaceAddresses;
    return [...new Set(this.#settings.hosts.flatMap((host) => (isWildcard(host) ? own(host) : [host])))];
  }

  async #follow(): Promise<void> {
    const wanted = new Set(this.#wanted());
    for (const [address, socket] of this.#sockets) {
      if (wanted.has(address)) continue;
      this.#sockets.delete(address);
      socket.close();
    }
    for (const address of wanted) {
      if (this.#sockets.has(address)) continue;
      await this.#bind(address).catch((error: Error) => this.#settings.onError(error));
    }
  }

  #bind(address: string): Promise<void> {
    const six = isIPv6(address);
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4',
      ...(six ? { ipv6Only: true } : {}),
      reusePort: this.#settings.reusePort,
      // The addresses we answer are numbers already: without this, each send would visit the resolver.
      lookup: (host, _options, done) => done(null, host, six ? 6 : 4),
    });
    socket.on('message', (datagram: Buffer, from: RemoteInfo) => this.#settings.onDatagram(datagram, from, socket));
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(this.#port, address, () => {
        socket.off('error', reject);
        socket.on('error', this.#settings.onError);
        this.#port = socket.address().port;
        enlarge(socket);
        this.#sockets.set(address, socket);
        resolve();
      });
    });
  }
}

export type UdpPortSettings = {
  /** Addresses, or the wildcards `0.0.0.0` and `::` (every IPv4 address; every address). */
  readonly hosts: readonly string[];
  /** 0 = a free one, the same on every address. */
  readonly port: number;
  readonly reusePort: boolean;
  readonly onDatagram: (datagram: Buffer, from: RemoteInfo, socket: ReplySocket) => void;
  readonly onError: (error: Error) => void;
  /** Which addresses a wildcard stands for; the machine's own unless given. */
  readonly interfaceAddresses?: (wildcard: string) => string[];
};

const INTERFACES_EVERY_MS = 10_000;
/** What a storm may pile up while we are busy; the kernel grants at most net.core.rmem_max and says nothing. */
const BUFFER_OCTETS = 4 * 2 ** 20;

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Link-local IPv6 addresses need a zone and are not where a router finds its RADIUS server. */
function interfaceAddresses(wildcard: string): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, address }) => family === 'IPv4' || (wildcard === '::' && !/^fe[89ab]/i.test(address)))
    .map(({ address }) => address);
}

function enlarge(socket: Socket): void {
  socket.setRecvBufferSize(BUFFER_OCTETS);
  socket.setSendBufferSize(BUFFER_OCTETS);
}
