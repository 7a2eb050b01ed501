import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { dialIn } from '#test/world/dial';
import { Teller, type WorldEvent } from '#test/world/events';
import { Exchange } from '#test/world/exchange';
import { judge } from '#test/world/incoming';
import {
  type DialOptions,
  type MikrotikOptions,
  type MikrotikSettings,
  macOf,
  type RadiusAddress,
  standing,
  usual,
} from '#test/world/router-options';
import { AddressPool, type Cause, causes, counters, type Line, Session } from '#test/world/session';
import { type Attribute, encodeAccounting, encodeIncomingReply, faultOfIncoming, faultOfReply } from '#test/world/wire';

/**
 * A MikroTik as PPPoE server and RADIUS client, simulated from what the vendor's documentation and the field say (no
 * RouterOS runs here). It dials lines in, keeps accounting, answers CoA and Disconnect, loses things in a reboot, and
 * tells all of it as events in plain words.
 */

export type { DialOptions, MikrotikOptions, MikrotikSettings, WorldEvent };

export async function startMikrotik(settings: MikrotikSettings): Promise<Mikrotik> {
  const mikrotik = new Mikrotik(settings);
  await mikrotik.open();
  return mikrotik;
}

export class Mikrotik extends Teller {
  readonly secret: string;
  readonly options: MikrotikOptions;
  readonly auth: Exchange;
  readonly acct: Exchange;
  /** Counts of what `/radius monitor` and `/radius incoming monitor` would show. */
  readonly counts = { accepts: 0, rejects: 0, timeouts: 0, badReplies: 0, badRequests: 0, coaAcks: 0, coaNaks: 0 };
  #servers: readonly RadiusAddress[];
  #incoming: Socket;
  #coaPort: number;
  #live = new Map<string, Session>();
  #answered = new Map<string, { readonly request: Buffer; readonly reply: Buffer }>();
  #redials = new Set<NodeJS.Timeout>();
  #zero = performance.now();
  #skippedMs = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #wake: NodeJS.Timeout | null = null;
  #sessionCount = 0;
  #boots = 0;
  #pool = new AddressPool();
  #stopped = false;

  constructor(settings: MikrotikSettings) {
    super();
    this.secret = settings.secret;
    this.#servers = settings.backup === undefined ? [settings.server] : [settings.server, settings.backup];
    this.#coaPort = settings.coaPort;
    const { incoming, ...others } = settings.options ?? {};
    this.options = { ...usual, ...others, incoming: { ...usual.incoming, ...incoming } };
    this.auth = this.#exchange('authPort', this.options.requiresMessageAuthenticator);
    this.acct = this.#exchange('acctPort', false);
    this.#incoming = createSocket('udp4');
  }

  get address(): string {
    return this.options.address;
  }

  get coaPort(): number {
    return this.#coaPort;
  }

  /** Milliseconds of the router's own clock since it was plugged in. */
  now(): number {
    return (performance.now() - this.#zero) * this.options.speed + this.#skippedMs;
  }

  async open(): Promise<void> {
    this.#incoming.on('message', (packet, from) => this.#onIncoming(packet, from));
    this.#incoming.bind(this.#coaPort, this.options.address);
    await Promise.all([once(this.#incoming, 'listening'), this.auth.open(), this.acct.open()]);
    this.#coaPort = this.#incoming.address().port;
  }

  /** Dials a line in. Resolves when it is up, rejected, or nobody answered; `Session.state` says which. */
  async dial(username: string, password: string, options: DialOptions = {}): Promise<Session> {
    const line: Line = {
      username,
      password,
      method: options.method ?? 'pap',
      mac: options.mac ?? macOf(username),
      load: options.load ?? 0,
      redials: options.redials ?? true,
    };
    return this.#dialLine(line);
  }

  /** The sessions that are up. */
  sessions(): Session[] {
    return [...this.#live.values()];
  }

  /** The newest session of a subscriber that is up. */
  session(username: string): Session | null {
    return this.sessions().findLast((session) => session.username === username) ?? null;
  }

  /** `/queue simple print`: one dynamic queue for each session with a limit, upload/download in bits per second. */
  queues(): { name: string; target: string; maxLimit: string }[] {
    return this.sessions()
      .filter((session) => session.rateLimit !== null)
      .map(({ username, address, limits }) => ({
        name: `<pppoe-${username}>`,
        target: `${address}/32`,
        maxLimit: `${limits.uploadBps}/${limits.downloadBps}`,
      }));
  }

  /** `/ip firewall address-list print where dynamic`. */
  addressList(list?: string): { list: string; address: string; dynamic: true }[] {
    return this.sessions().flatMap((session) =>
      session.addressLists
        .filter((name) => list === undefined || name === list)
        .map((name) => ({ list: name, address: session.address, dynamic: true as const })),
    );
  }

  /** A line uses something at once. Bytes. */
  use(session: Session, bytes: { downloadBytes?: number; uploadBytes?: number }): void {
    session.settle(this.now());
    session.downloadBytes += bytes.downloadBytes ?? 0;
    session.uploadBytes += bytes.uploadBytes ?? 0;
    session.idleSince = this.now();
  }

  /** Sends an Interim-Update now; false when the server never acknowledged it. */
  async interim(session: Session): Promise<boolean> {
    const now = this.now();
    session.settle(now);
    if (session.interimSeconds > 0) session.nextInterimAt = now + session.interimSeconds * 1000;
    return this.#account(session, 3, counters(session, now, this.options.swapOctets));
  }

  /** The subscriber switches off: Stop, and no redial. Resolves when the Stop is acknowledged or given up. */
  async hangUp(session: Session): Promise<boolean> {
    session.line.redials = false;
    return this.#end(session, 'user-request', 'hung up');
  }

  /** The line is lost (cable, power): Stop, and it dials again if it is one that does. */
  async loseCarrier(session: Session): Promise<boolean> {
    return this.#end(session, 'lost-carrier', 'lost its carrier');
  }

  /** Power off and on: every session is gone without a Stop, and session ids get the next reboot digit. */
  reboot(): void {
    this.#boots++;
    this.auth.forget();
    this.acct.forget();
    const lost = this.sessions();
    this.#live.clear();
    this.#answered.clear();
    for (const session of lost) {
      session.state = 'ended';
      session.cause = 'reboot';
    }
    this.#sessionCount = 0;
    this.#pool = new AddressPool();
    this.tell('reboot', '', `router restarts: ${lost.length} sessions vanish without a Stop`);
    for (const session of lost) this.#redial(session.line, this.options.redialMs);
  }

  /** Moves the router's clock on, doing on the way, in order, all that falls due: usage, interims, timeouts. */
  async advance(seconds: number): Promise<void> {
    const until = this.now() + seconds * 1000;
    for (;;) {
      const next = Math.min(until, this.#nextDue());
      this.#skippedMs += Math.max(0, next - this.now());
      if (next >= until) break;
      await this.#doDue();
    }
    for (const session of this.#live.values()) session.settle(this.now());
    await this.#doDue();
  }

  /** Pulls the plug for good: no Stops, no redials. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const timer of this.#redials) clearTimeout(timer);
    if (this.#wake) clearTimeout(this.#wake);
    this.auth.close();
    this.acct.close();
    await new Promise<void>((closed) => this.#incoming.close(closed));
  }

  /** Attributes every PPPoE request of a session has in common. */
  common(session: Session): Attribute[] {
    return [
      ['Service-Type', 'Framed-User'],
      ['Framed-Protocol', 'PPP'],
      ['NAS-Port', session.port],
      ['NAS-Port-Type', 'Ethernet'],
      ['User-Name', session.username],
      ['Calling-Station-Id', session.line.mac],
      ['Called-Station-Id', 'pppoe-service'],
      ['NAS-Port-Id', 'ether2'],
      ['NAS-Identifier', this.options.identity],
      ['NAS-IP-Address', this.options.address],
    ];
  }

  #exchange(port: 'authPort' | 'acctPort', required: boolean): Exchange {
    return new Exchange({
      localAddress: this.options.address,
      servers: this.#servers.map((server) => ({ host: server.host, port: server[port] })),
      timeoutMs: this.options.timeoutMs,
      tries: this.options.tries,
      ports: this.options.ports,
      faultOf: (reply, request) => faultOfReply(this.secret, reply, request, required),
      onFault: (fault) => {
        this.counts.badReplies++;
        this.tell('fault', '', `a reply was dropped: ${fault}`);
      },
    });
  }

  async #dialLine(line: Line): Promise<Session> {
    const session = new Session(line);
    session.port = 15728640 + this.#sessionCount;
    const proven = await dialIn(this, session);
    if (session.state === 'up') {
      this.#bringUp(session);
      // Without the server's proof (RFC 2759) the subscriber's side hangs up at once: Start, then Stop.
      if (!proven) await this.#end(session, 'user-request', 'hangs up: MS-CHAP2-Success is missing or wrong');
    } else {
      const kind = session.state === 'rejected' ? 'rejected' : 'unanswered';
      this.counts[kind === 'rejected' ? 'rejects' : 'timeouts']++;
      this.tell(
        kind,
        line.username,
        kind === 'rejected' ? `is rejected ${session.rejectMessage ?? ''}`.trim() : 'gets no answer',
      );
      this.#redial(line, this.options.redialMs === null ? null : this.options.retryMs);
    }
    return session;
  }

  #bringUp(session: Session): void {
    const now = this.now();
    this.counts.accepts++;
    session.id = `81${(this.#boots % 16).toString(16)}${(this.#sessionCount++ % 2 ** 20).toString(16).padStart(5, '0')}`;
    session.pooled = session.address === '';
    if (session.pooled) session.address = this.#pool.take();
    session.startedAt = now;
    session.settledAt = now;
    session.idleSince = now;
    session.endsAt += now;
    if (session.interimSeconds > 0) session.nextInterimAt = now + session.interimSeconds * 1000;
    this.#live.set(session.id, session);
    this.tell('up', session.username, `is up at ${standing(session)}`);
    void this.#account(session, 1, []);
    this.#wakeBy(session.dueAt);
  }

  async #end(session: Session, cause: Cause, text: string): Promise<boolean> {
    if (session.state !== 'up') return false;
    const now = this.now();
    session.settle(now);
    session.state = 'ended';
    session.cause = cause;
    this.#live.delete(session.id);
    if (session.pooled) this.#pool.give(session.address);
    this.tell('down', session.username, text);
    this.#redial(session.line, this.options.redialMs);
    return this.#account(session, 2, [
      ...counters(session, now, this.options.swapOctets),
      ['Acct-Terminate-Cause', causes[cause]],
    ]);
  }

  #redial(line: Line, afterMs: number | null): void {
    if (afterMs === null || !line.redials || this.#stopped) return;
    const timer = setTimeout(() => {
      this.#redials.delete(timer);
      if (line.redials) void this.#dialLine(line);
    }, afterMs);
    this.#redials.add(timer);
  }

  async #account(session: Session, status: 1 | 2 | 3, more: readonly Attribute[]): Promise<boolean> {
    const attributes: Attribute[] = [
      ...this.common(session),
      ['Acct-Status-Type', status],
      ['Acct-Session-Id', session.id],
      ['Acct-Authentic', 'RADIUS'],
      ...session.classes.map((value) => ['Class', value] as const),
      ...more,
    ];
    if (!(status === 1 && this.options.startWithoutAddress)) attributes.push(['Framed-IP-Address', session.address]);
    const boot = this.#boots;
    const reply = await this.acct.send(
      (identifier, elapsedMs) =>
        encodeAccounting(this.secret, identifier, [...attributes, ['Acct-Delay-Time', Math.floor(elapsedMs / 1000)]]),
      { rebuild: true },
    );
    if (reply === null && boot === this.#boots && !this.#stopped) {
      const name = ['', 'Start', 'Stop', 'Interim-Update'][status];
      this.tell('lost', session.username, `${name} was never acknowledged and is lost`);
    }
    return reply !== null;
  }

  #onIncoming(packet: Buffer, from: RemoteInfo): void {
    const { incoming } = this.options;
    if (!incoming.accept) return;
    const fault = !this.#servers.some(({ host }) => host === from.address)
      ? `from ${from.address}, not a server of ours`
      : faultOfIncoming(this.secret, packet);
    if (fault !== null || (packet[0] !== 40 && packet[0] !== 43)) {
      this.counts.badRequests++;
      this.tell('fault', '', `an incoming request was dropped: ${fault ?? `code ${packet[0]}`}`);
      return;
    }
    // A retransmission has the Identifier and the Request Authenticator of what that port said last under this Identifier
    // (RFC 5176 2.3), however long ago that was, and gets the same answer.
    const place = `${from.port} ${packet[1]}`;
    const before = this.#answered.get(place);
    const reply = before?.request.equals(packet.subarray(0, 20)) ? before.reply : this.#obey(packet);
    this.#answered.set(place, { request: packet.subarray(0, 20), reply });
    const send = () => this.#stopped || this.#incoming.send(reply, from.port, from.address);
    if (incoming.delayMs > 0) setTimeout(send, incoming.delayMs);
    else send();
  }

  #obey(packet: Buffer): Buffer {
    const verdict = judge(packet, this.#live, this.options.incoming);
    const now = this.now();
    for (const session of verdict.sessions) session.settle(now);
    verdict.apply();
    const name = packet[0] === 43 ? 'CoA' : 'Disconnect';
    if (verdict.answer.ack) this.counts.coaAcks++;
    else {
      this.counts.coaNaks++;
      this.tell('nak', '', `${name} refused with Error-Cause ${verdict.answer.errorCause}: ${verdict.text}`);
    }
    for (const session of verdict.sessions) {
      if (name === 'Disconnect') {
        this.tell('disconnect', session.username, 'is disconnected by the server');
        void this.#end(session, 'admin-reset', 'is down: the server disconnected it');
      } else {
        this.tell('coa', session.username, `CoA: ${verdict.text}`);
        this.#wakeBy(session.dueAt);
      }
    }
    return encodeIncomingReply(
      this.secret,
      packet,
      verdict.answer.ack ? { ack: true, nasIdentifier: this.options.identity } : verdict.answer,
    );
  }

  #nextDue(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.#live.values()) next = Math.min(next, session.dueAt);
    return next;
  }

  #wakeBy(due: number): void {
    if (due >= this.#wakeAt || this.#stopped) return;
    this.#wakeAt = due;
    if (this.#wake) clearTimeout(this.#wake);
    const realMs = Math.max(0, due - this.now()) / this.options.speed;
    // Timers hold 2^31 ms; a longer wait is simply asked again. At most 50 wakes a second.
    this.#wake = setTimeout(() => void this.#doDue(), Math.min(2 ** 31 - 1, Math.max(20, realMs)));
  }

  async #doDue(): Promise<void> {
    const now = this.now();
    const due = [...this.#live.values()].filter((session) => session.dueAt <= now);
    const done = due.map((session) => {
      session.settle(now);
      if (now >= session.endsAt)
        return this.#end(session, 'session-timeout', 'is down: its Session-Timeout is reached');
      if (now >= session.nextInterimAt) return this.interim(session);
      if (session.dueAt <= now) return this.#end(session, 'idle-timeout', 'is down: it was idle too long');
      return true;
    });
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#wakeBy(this.#nextDue());
    await Promise.all(done);
  }
}
