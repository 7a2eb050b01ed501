import type { RemoteInfo } from 'node:dgram';
import type { Clock } from '#domain/clock';
import type { Instant } from '#domain/time';
import { AccessDesk, type AccessEvents } from '#radius/access';
import { printAddress } from '#radius/address';
import { Counters } from '#radius/counters';
import { DelayedReplies } from '#radius/delayed';
import type { Directory } from '#radius/directory';
import { Duplicates, NONE } from '#radius/duplicates';
import { SignsBook } from '#radius/nas-signs';
import { type Nas, NasTable, type Source } from '#radius/nas-table';
import { Code, Packet, verifyAccountingAuthenticator, verifyMessageAuthenticator, Writer } from '#radius/packet';

/**
 * From datagram to datagram: who sent it, is it genuine, was it asked before, what is the answer, when may it leave.
 * Sockets are somebody else's (`sockets.ts`); here they are only something to send through.
 *
 * Under overload the queue is the kernel's receive buffer and nothing else: each datagram is answered to the end before
 * the next is read, so what waits is bounded in octets, and what finds it full is lost at once, which the NAS takes for
 * what it is and asks again. With the 4 MiB asked for that is about 0.1 s of requests at full speed, less than the 0.3 s
 * after which the most impatient RouterOS gives up on an answer: no work is done for nobody.
 */
export class RadiusServer {
  readonly counters = new Counters();
  /** What is seen of each router. */
  readonly signs = new SignsBook();
  readonly #access: AccessDesk;
  readonly #journal: AccountingJournal;
  readonly #clock: Clock;
  readonly #monotonicMs: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #packet = new Packet();
  readonly #writer = new Writer();
  readonly #authMemory: Duplicates;
  readonly #acctMemory: Duplicates;
  readonly #delayed: DelayedReplies;
  #nases = new NasTable([]);
  /** Accounting-Responses that wait for the disk, in the order of the journal's sequence numbers from `#firstUndurable`. */
  #undurable: (AwaitedReply | Recorded)[] = [];
  #firstUndurable = 0;
  /** Status-Server requests answered in the running second, by NAS. */
  readonly #statusAsked = new Map<number, number>();

  constructor(settings: ServerSettings) {
    const { memory, rejectDelayMs } = { ...DEFAULTS, ...settings };
    this.#access = new AccessDesk(settings.directory, this.counters, settings.events);
    this.#journal = settings.journal;
    this.#clock = settings.clock;
    this.#monotonicMs = settings.monotonicMs;
    this.#onError = settings.onError;
    this.#authMemory = new Duplicates(memory);
    this.#acctMemory = new Duplicates(memory);
    this.#delayed = new DelayedReplies(this.#authMemory, rejectDelayMs, settings.monotonicMs);
  }

  setNases(entries: ConstructorParameters<typeof NasTable>[0]): void {
    this.#nases = new NasTable(entries, this.#nases, this.signs);
  }

  get nases(): NasTable {
    return this.#nases;
  }

  /** One datagram from the authentication port. Whatever it is, this returns, and says something only if it must. */
  authentication(datagram: Uint8Array, from: RemoteInfo, socket: ReplySocket): void {
    this.#guarded(datagram, from, socket, this.#onAuthentication);
  }

  /** One datagram from the accounting port. */
  accounting(datagram: Uint8Array, from: RemoteInfo, socket: ReplySocket): void {
    this.#guarded(datagram, from, socket, this.#onAccounting);
  }

  /** The journal has every record with a sequence number below `upTo` on disk: their senders may forget them. */
  durable(upTo: number): void {
    const count = Math.min(upTo - this.#firstUndurable, this.#undurable.length);
    if (count <= 0) return;
    for (let i = 0; i < count; i += 1) {
      const awaited = this.#undurable[i]!;
      if (typeof awaited === 'function') {
        this.counters.accountingAnswered += 1;
        awaited();
        continue;
      }
      const { position, length, port, address, socket } = awaited;
      const offset = this.#acctMemory.offsetOf(position);
      this.#acctMemory.answered(position);
      if (offset === NONE) continue;
      this.counters.accountingAnswered += 1;
      socket.send(this.#acctMemory.ring, offset, length, port, address);
    }
    this.#undurable.splice(0, count);
    this.#firstUndurable += count;
  }

  /** To be called once a second. */
  everySecond(): void {
    this.#statusAsked.clear();
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#delayed.close();
    this.#undurable = [];
  }

  #guarded(datagram: Uint8Array, from: RemoteInfo, socket: ReplySocket, handle: Handler): void {
    const source = this.#nases.find(from.address);
    if (source === undefined) {
      this.counters.drops['unknown-source'] += 1;
      return;
    }
    // A bug of ours must not end the process, nor let anybody in: we stay silent, count it and tell.
    try {
      if (!this.#packet.parse(datagram, datagram.length)) this.counters.drops.malformed += 1;
      else handle.call(this, this.#packet, source, from, socket);
    } catch (error) {
      this.counters.drops.error += 1;
      this.#onError(error);
    }
  }

  #onAuthentication(packet: Packet, source: Source, from: RemoteInfo, socket: ReplySocket): void {
    const { nas } = source;
    const { code } = packet;
    if (code !== Code.accessRequest && code !== Code.statusServer) this.counters.drops['unwanted-code'] += 1;
    else if (this.#access.admits(packet, nas)) {
      if (code === Code.statusServer) this.#status(packet, nas, from, socket, true);
      else this.#onAccessRequest(packet, source, from, socket);
    } else source.signs.unproven(packet);
  }

  #onAccessRequest(packet: Packet, source: Source, from: RemoteInfo, socket: ReplySocket): void {
    const memory = this.#authMemory;
    const nowMs = this.#monotonicMs();
    if (this.#isDuplicate(memory, packet, source, from, socket, nowMs)) return;
    const router = this.#routerOf(packet, source);
    if (router === null) return;
    const length = this.#access.answer(packet, source.nas, this.#clock(), router.nas);
    if (length === 0) return;
    const reply = this.#access.writer;
    router.signs.answered(packet, source.nas.secret, reply.buffer[0]!);
    // A proxy that waits for a Reject takes us for dead; it delays what it tells its routers (`reject_delay`).
    const isReject = reply.buffer[0] === Code.accessReject && this.#delayed.delays && !source.nas.proxy;
    const entry = memory.keep(source.key, from.port, packet, nowMs, reply, length, isReject);
    const position = memory.positionOf(entry);
    if (isReject) this.#delayed.add({ position, length, port: from.port, address: from.address, socket });
    else socket.send(memory.ring, memory.offsetOf(position), length, from.port, from.address);
  }

  #onAccounting(packet: Packet, source: Source, from: RemoteInfo, socket: ReplySocket): void {
    const { nas } = source;
    const { code } = packet;
    if (code === Code.accountingRequest) {
      if (this.#isGenuine(packet, nas)) this.#onAccountingRequest(packet, source, from, socket);
      else source.signs.forgedAccounting();
    } else if (code === Code.statusServer) {
      if (this.#access.admits(packet, nas)) this.#status(packet, nas, from, socket, false);
    } else this.counters.drops['unwanted-code'] += 1;
  }

  #onAccountingRequest(packet: Packet, source: Source, from: RemoteInfo, socket: ReplySocket): void {
    const { nas } = source;
    const memory = this.#acctMemory;
    const nowMs = this.#monotonicMs();
    if (this.#isDuplicate(memory, packet, source, from, socket, nowMs)) return;
    const router = this.#routerOf(packet, source);
    if (router === null) return;
    this.counters.accountingReceived += 1;
    const length = this.#accountingResponse(packet, nas);
    if (length === 0) return;
    const at = this.#clock();
    router.signs.accounted(packet, at);
    const sequence = this.#journal.append(router.nas.id, router.octets, at, packet.buffer, packet.length);
    if (sequence < 0) {
      this.counters.drops['journal-refused'] += 1;
      return;
    }
    const entry = memory.keep(source.key, from.port, packet, nowMs, this.#writer, length, true);
    const position = memory.positionOf(entry);
    this.#await(sequence, { position, length, port: from.port, address: from.address, socket });
  }

  /**
   * Records an accounting request that came by another way than a datagram. `recorded` is called when it is on disk, which
   * must not throw; false: it was refused, and `recorded` is never called.
   */
  record(packet: Buffer, router: Source, recorded: Recorded): boolean {
    this.counters.accountingReceived += 1;
    const at = this.#clock();
    const sequence = this.#journal.append(router.nas.id, router.octets, at, packet, packet.length);
    if (sequence < 0) {
      this.counters.drops['journal-refused'] += 1;
      return false;
    }
    if (this.#packet.parse(packet)) router.signs.accounted(this.#packet, at);
    this.#await(sequence, recorded);
    return true;
  }

  #await(sequence: number, awaited: AwaitedReply | Recorded): void {
    if (this.#undurable.length === 0) this.#firstUndurable = sequence;
    this.#undurable.push(awaited);
  }

  /**
   * Which router a request is about: of a proxy the one it names, who has checked where the request came from; else who
   * sent it, whatever the packet says. null, and counted: a proxy asks for a router that is not in the table.
   */
  #routerOf(packet: Packet, source: Source): Source | null {
    if (!source.nas.proxy) return source;
    const six = packet.bytes(NAS_IPV6_ADDRESS);
    const named = packet.ipv4(NAS_IP_ADDRESS) ?? (six?.length === 16 ? printAddress(six, 0) : undefined);
    const router = named === undefined ? undefined : this.#nases.find(named);
    if (router !== undefined) return router;
    this.#access.unproven(source.nas, 'unknown-router');
    return null;
  }

  /** RFC 2866 section 3: the Request Authenticator proves the secret; a Message-Authenticator, where there is one, must hold. */
  #isGenuine(packet: Packet, nas: Nas): boolean {
    if (!verifyAccountingAuthenticator(packet, nas.secret))
      return this.#access.unproven(nas, 'request-authenticator-wrong');
    const signed = verifyMessageAuthenticator(packet, nas.secret) !== 'wrong';
    return signed || this.#access.unproven(nas, 'message-authenticator-wrong');
  }

  /** Answers from memory what was asked before. */
  #isDuplicate(
    memory: Duplicates,
    packet: Packet,
    source: Source,
    from: RemoteInfo,
    socket: ReplySocket,
    nowMs: number,
  ): boolean {
    const entry = memory.find(source.key, from.port, packet, nowMs);
    if (entry === NONE) return false;
    const ageMs = memory.ageOf(entry, nowMs);
    if (memory.isPending(entry)) {
      this.counters.drops['duplicate-pending'] += 1;
      source.signs.again(ageMs, memory === this.#authMemory ? 'held' : 'unwritten');
      return true;
    }
    source.signs.again(ageMs, null);
    this.counters.duplicatesAnswered += 1;
    const offset = memory.offsetOf(memory.positionOf(entry));
    socket.send(memory.ring, offset, memory.lengthOf(entry), from.port, from.address);
    return true;
  }

  /**
   * RFC 5997: "are you there?", answered without touching anything and only while we could do our work, so that a NAS or
   * proxy which asks goes elsewhere when we cannot. Not kept as a duplicate: asking again may get another answer.
   */
  #status(packet: Packet, nas: Nas, from: RemoteInfo, socket: ReplySocket, authPort: boolean): void {
    const asked = (this.#statusAsked.get(nas.id) ?? 0) + 1;
    this.#statusAsked.set(nas.id, asked);
    if (!nas.statusServer || asked > STATUS_SERVERS_PER_SECOND || (!authPort && !this.#journal.healthy)) {
      this.counters.drops['status-server-refused'] += 1;
      return;
    }
    const length = authPort ? this.#access.answerStatus(packet, nas) : this.#accountingResponse(packet, nas);
    if (length === 0) return;
    if (!authPort) this.counters.statusServerAnswered += 1;
    const reply = authPort ? this.#access.writer.buffer : this.#writer.buffer;
    socket.send(Buffer.from(reply.subarray(0, length)), 0, length, from.port, from.address);
  }

  /** Made as soon as the request is here, sent when its record is durable. */
  #accountingResponse(packet: Packet, nas: Nas): number {
    this.#writer.beginReply(Code.accountingResponse, packet);
    this.#writer.copyProxyStates(packet);
    const length = this.#writer.finishReply(packet.authenticator, nas.secret);
    if (length === 0) this.counters.drops['reply-too-long'] += 1;
    return length;
  }
}

export type ServerSettings = {
  readonly directory: Directory;
  readonly journal: AccountingJournal;
  readonly events: AccessEvents;
  readonly clock: Clock;
  readonly monotonicMs: () => number;
  readonly onError: (error: unknown) => void;
  /** Both 0: Rejects leave at once. */
  readonly rejectDelayMs?: { readonly least: number; readonly most: number };
  readonly memory?: ConstructorParameters<typeof Duplicates>[0];
};

/** Where accounting goes before it is answered. `Journal` is one. */
export type AccountingJournal = {
  /**
   * Takes a copy of octets [0, length) and of the 16 octets of the address they came from. The record's sequence number (0, 1, 2 … in the order of the calls), which
   * `RadiusServer.durable` must be told once it is on disk; -1 = refused, and the NAS will ask again.
   */
  append(nasId: number, nasAddress: Uint8Array, receivedAt: Instant, packet: Uint8Array, length: number): number;
  /** Whether records reach the disk just now. */
  readonly healthy: boolean;
};

/** What a reply leaves through: a socket bound to the address the request was sent to (RFC 5080 section 2.2.2). */
export type ReplySocket = {
  send(octets: Uint8Array, offset: number, length: number, port: number, address: string): void;
};

/** What waits for a record to be on disk, where it is no datagram. */
export type Recorded = () => void;

export type AwaitedReply = {
  readonly position: number;
  readonly length: number;
  readonly port: number;
  readonly address: string;
  readonly socket: ReplySocket;
};

type Handler = (packet: Packet, source: Source, from: RemoteInfo, socket: ReplySocket) => void;

const NAS_IP_ADDRESS = 4;
const NAS_IPV6_ADDRESS = 95;

const DEFAULTS = {
  /** RFC 5080 wants 5 to 30 s. */
  memory: { entries: 2 ** 19, ringOctets: 64 * 2 ** 20, lifeMs: 10_000 },
  /** Slows down guessing; below RouterOS' 1.1 s, after which it would ask again. */
  rejectDelayMs: { least: 700, most: 1000 },
};

/** RFC 5997 section 4.2 lets us limit them; a proxy asks a few times a minute. */
const STATUS_SERVERS_PER_SECOND = 100;
