import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type BinaryNode, getBinaryNodeChild, type proto } from '@whiskeysockets/baileys';
import { WebSocketServer } from 'ws';
import { Teller } from '#test/world/events';
import { CodePairing, lidOf, Phone, pairSuccess, readQr } from '#test/world/whatsapp-phone';
import '#test/world/whatsapp-trust';
import { ServerIdentity, WireSession } from '#test/world/whatsapp-wire';

/**
 * WhatsApp as the unmodified client library sees it: pairing by QR and by code, login, encrypted messages that it decrypts
 * as the receivers' phones would, acknowledgements, receipts, people who write, and the faults that WhatsApp has. Importing
 * this file makes the library of this process trust it; a product in a process of its own needs
 * `node --import test/world/whatsapp-trust.ts` and WHATSAPP_URL. Media are not there.
 */
export type WhatsApp = {
  readonly url: string;
  /** What the phones show, in the order of its arrival: a message that comes twice under one id is shown once. */
  messages(): readonly Shown[];
  /** How many messages came in from us, repetitions included. */
  readonly arrivals: number;
  /** Logins so far of a device that was paired. */
  readonly logins: number;
  readonly connected: boolean;
  /** The phone `phone` scans the QR. */
  scan(qr: string, phone: string): void;
  /** The code is typed on the phone that it was asked for. */
  typeCode(code: string): Promise<void>;
  /** Somebody writes to the linked number. */
  write(from: string, text: string): Promise<void>;
  /** From now on; what is left out is without fault. */
  fault(faults: Faults): void;
  /** The device is removed on the phone: what is connected is told, and a login is refused. */
  logOut(): void;
  /** Another program connects with the same link. */
  replace(): void;
  /** Cuts every connection. */
  drop(): void;
  /** Fails with the last events when it does not come true in time. */
  until<T>(what: string, check: () => T | false | null | undefined, timeoutMs?: number): Promise<T>;
  stop(): Promise<void>;
};

export type Shown = { readonly to: string; readonly text: string; readonly id: string };

export type Faults = {
  /** Numbers that are not on WhatsApp. */
  readonly unregistered?: readonly string[];
  /** The error in the acknowledgement of a message, which then does not arrive: '463', '429', '500'. */
  readonly nack?: (message: { readonly to: string; readonly id: string }) => string | null;
  /** What happens to a message: it is lost, it arrives and nothing is said, or the line is cut before or after it arrived. */
  readonly message?: (message: { readonly to: string }) => 'lost' | 'unanswered' | 'cut-before' | 'cut-after' | null;
  /** How far receipts go; all the way when left out. */
  readonly receipts?: 'none' | 'delivered';
  /** Everything is answered so much later. */
  readonly delayMs?: number;
};

const SERVER = 's.whatsapp.net';
const userOf = (jid: string): string => jid.split('@')[0]!.split(':')[0]!;
const personOf = (jid: string): string => (jid.endsWith('@lid') ? userOf(jid).slice(1) : userOf(jid));
const children = (node: BinaryNode | undefined): BinaryNode[] =>
  Array.isArray(node?.content) ? (node.content as BinaryNode[]) : [];

export async function startWhatsApp(options: { readonly port?: number } = {}): Promise<WhatsApp> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: options.port ?? 0 });
  await once(server, 'listening');
  const service = new Service();
  server.on('connection', (socket) => service.accept(socket));
  const { port } = server.address() as AddressInfo;
  return Object.assign(service, {
    url: `ws://127.0.0.1:${port}/ws/chat`,
    stop: async () => {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

type Device = {
  readonly wire: WireSession;
  noiseKey: Buffer;
  /** The number it is linked to, once logged in. */
  me: string | null;
  pairing: CodePairing | null;
  pairingPhone: string;
};

class Service {
  readonly #identity = new ServerIdentity();
  readonly #devices = new Set<Device>();
  readonly #phones = new Map<string, Phone>();
  readonly #shown: Shown[] = [];
  readonly #teller = new Teller();
  readonly #kept: BinaryNode[] = [];
  /** The keys that the linked device has uploaded. */
  #upload: BinaryNode | null = null;
  #faults: Faults = {};
  #removed = false;
  arrivals = 0;
  logins = 0;

  get connected(): boolean {
    return [...this.#devices].some((device) => device.me !== null && device.wire.open);
  }

  messages(): readonly Shown[] {
    return this.#shown;
  }

  fault(faults: Faults): void {
    this.#faults = faults;
  }

  until<T>(what: string, check: () => T | false | null | undefined, timeoutMs?: number): Promise<T> {
    return this.#teller.until(what, check, timeoutMs);
  }

  scan(qr: string, phone: string): void {
    const { noiseKey, identity, secret } = readQr(qr);
    const device = [...this.#devices].find((one) => one.noiseKey.equals(noiseKey));
    if (device === undefined) throw new Error('nobody shows this QR any more');
    this.#pair(device, phone, identity, secret);
  }

  async typeCode(code: string): Promise<void> {
    // The client shows its code before its question has arrived.
    const device = await this.until('a question for a code', () => [...this.#devices].find((one) => one.pairing));
    device.wire.send(await device.pairing!.answer(code));
  }

  async write(from: string, text: string): Promise<void> {
    const device = this.#linked();
    if (this.#upload === null) throw new Error('the device has uploaded no keys');
    const enc = await this.#phone(from).write(device.me!, this.#upload, text);
    const id = `3A${randomBytes(9).toString('hex').toUpperCase()}`;
    const attrs = { from: `${from}@${SERVER}`, id, t: seconds(), type: 'text', notify: 'Somebody' };
    device.wire.send({ tag: 'message', attrs, content: [enc] });
  }

  logOut(): void {
    this.#removed = true;
    const conflict = { tag: 'conflict', attrs: { type: 'device_removed' } };
    for (const { wire } of this.#devices) {
      wire.send({ tag: 'stream:error', attrs: { code: '401' }, content: [conflict] });
    }
  }

  replace(): void {
    const conflict = { tag: 'conflict', attrs: { type: 'replaced' } };
    for (const { wire } of this.#devices) wire.send({ tag: 'stream:error', attrs: {}, content: [conflict] });
  }

  drop(): void {
    for (const { wire } of this.#devices) wire.drop();
  }

  accept(socket: ConstructorParameters<typeof WireSession>[0]): void {
    const device: Device = {
      noiseKey: Buffer.alloc(0),
      me: null,
      pairing: null,
      pairingPhone: '',
      wire: new WireSession(socket, this.#identity, {
        onLogin: (login, noiseKey) => this.#login(device, login, noiseKey),
        onNode: (node) => this.#take(device, node),
        onClose: () => {
          this.#devices.delete(device);
          this.#tell('the line is closed');
        },
      }),
    };
    this.#devices.add(device);
  }

  #tell(text: string): void {
    this.#teller.tell('up', 'WhatsApp', text);
  }

  #linked(): Device {
    const device = [...this.#devices].find((one) => one.me !== null && one.wire.open);
    if (device === undefined) throw new Error('no linked device is connected');
    return device;
  }

  #phone(number: string): Phone {
    const known = this.#phones.get(number) ?? new Phone(number);
    this.#phones.set(number, known);
    return known;
  }

  #login(device: Device, login: proto.IClientPayload, noiseKey: Buffer): void {
    device.noiseKey = noiseKey;
    const { username } = login;
    if (username == null) {
      this.#tell('a new device shows a QR');
      const refs = [1, 2, 3].map((number) => ({ tag: 'ref', attrs: {}, content: Buffer.from(`2@ref${number}`) }));
      const attrs = { from: SERVER, type: 'set', id: 'pair-device', xmlns: 'md' };
      device.wire.send({ tag: 'iq', attrs, content: [{ tag: 'pair-device', attrs: {}, content: refs }] });
      return;
    }
    if (this.#removed) {
      this.#tell('a login is refused');
      device.wire.send({ tag: 'failure', attrs: { reason: '401' } });
      return;
    }
    device.me = String(username);
    this.logins += 1;
    const lid = `${lidOf(device.me)}:${login.device ?? 0}@lid`;
    device.wire.send({ tag: 'success', attrs: { t: seconds(), lid } });
    device.wire.send({ tag: 'ib', attrs: {}, content: [{ tag: 'offline', attrs: { count: '0' } }] });
    for (const node of this.#kept.splice(0)) device.wire.send(node);
    this.#tell(`${device.me} has logged in`);
  }

  /** Success, then the restart that WhatsApp asks for after every pairing. */
  #pair(device: Device, phone: string, identity: Buffer, secret: Buffer): void {
    this.#removed = false;
    device.wire.send(pairSuccess(phone, identity, secret));
    setTimeout(() => device.wire.send({ tag: 'stream:error', attrs: { code: '515' } }), 50);
  }

  async #take(device: Device, node: BinaryNode): Promise<void> {
    const { delayMs } = this.#faults;
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (node.tag === 'message') await this.#takeMessage(device, node);
    if (node.tag !== 'iq' || node.attrs.type === 'result') return;
    const content = await this.#answer(device, node);
    device.wire.send({ tag: 'iq', attrs: { from: SERVER, type: 'result', id: node.attrs.id! }, content });
  }

  /** A question that is not answered blocks the client for a minute; to most of them an empty answer will do. */
  async #answer(device: Device, node: BinaryNode): Promise<BinaryNode[]> {
    const [first] = children(node);
    switch (`${node.attrs.xmlns} ${first?.tag}`) {
      case 'encrypt count':
        return [{ tag: 'count', attrs: { value: this.#upload === null ? '0' : '500' } }];
      case 'encrypt registration':
        this.#upload = node;
        return [];
      case 'encrypt digest':
        return [{ tag: 'digest', attrs: {} }];
      case 'encrypt key':
        return [{ tag: 'list', attrs: {}, content: await this.#bundles(children(first)) }];
      case 'usync usync':
        return [this.#lookUp(first!)];
      case 'md link_code_companion_reg':
        return this.#pairByCode(device, first!);
      case 'md remove-companion-device':
        this.#removed = true;
        return [];
      default:
        return [];
    }
  }

  #bundles(users: readonly BinaryNode[]): Promise<BinaryNode[]> {
    return Promise.all(users.map(({ attrs: { jid = '' } }) => this.#phone(personOf(jid)).bundle(jid)));
  }

  #pairByCode(device: Device, node: BinaryNode): BinaryNode[] {
    if (node.attrs.stage === 'companion_hello') {
      device.pairing = new CodePairing(node);
      device.pairingPhone = userOf(node.attrs.jid!);
      this.#tell(`a code for ${device.pairingPhone} is asked for`);
    } else if (device.pairing !== null) {
      const { identity, secret } = device.pairing.finish(node);
      device.pairing = null;
      setTimeout(() => this.#pair(device, device.pairingPhone, identity, secret), 5);
    }
    return [];
  }

  /** Who is on WhatsApp, by which pseudonym, with which devices. */
  #lookUp(usync: BinaryNode): BinaryNode {
    const asked = children(getBinaryNodeChild(usync, 'query')).map(({ tag }) => tag);
    const users = children(getBinaryNodeChild(usync, 'list')).map((user) => {
      const contact = getBinaryNodeChild(user, 'contact')?.content;
      const number = user.attrs.jid === undefined ? String(contact).replace('+', '') : personOf(user.attrs.jid);
      const registered = !this.#faults.unregistered?.includes(number);
      const device = { tag: 'device', attrs: { id: '0' } };
      const answers: Record<string, BinaryNode[]> = {
        contact: [{ tag: 'contact', attrs: { type: registered ? 'in' : 'out' } }],
        lid: registered ? [{ tag: 'lid', attrs: { val: `${lidOf(number)}@lid` } }] : [],
        devices: [
          {
            tag: 'devices',
            attrs: {},
            content: [{ tag: 'device-list', attrs: {}, content: registered ? [device] : [] }],
          },
        ],
      };
      const jid = user.attrs.jid ?? `${number}@${SERVER}`;
      return { tag: 'user', attrs: { jid }, content: asked.flatMap((protocol) => answers[protocol] ?? []) };
    });
    return { tag: 'usync', attrs: {}, content: [{ tag: 'list', attrs: {}, content: users }] };
  }

  async #takeMessage(device: Device, node: BinaryNode): Promise<void> {
    const id = node.attrs.id!;
    const to = personOf(node.attrs.to!);
    const fate = this.#faults.message?.({ to }) ?? null;
    if (fate === 'cut-before') return device.wire.drop();
    if (fate === 'lost') return;
    const error = this.#faults.nack?.({ to, id }) ?? null;
    if (error === null) {
      await this.#show(device, node, to, id);
      this.#sendReceipts(node.attrs.to!, id);
    }
    if (fate === 'cut-after') return device.wire.drop();
    if (fate === 'unanswered') return;
    const attrs = { class: 'message', id, from: node.attrs.to!, t: seconds(), ...(error === null ? {} : { error }) };
    device.wire.send({ tag: 'ack', attrs });
    if (error !== null) this.#tell(`a message to ${to} is refused with ${error}`);
  }

  async #show(device: Device, node: BinaryNode, to: string, id: string): Promise<void> {
    this.arrivals += 1;
    for (const part of children(getBinaryNodeChild(node, 'participants'))) {
      if (personOf(part.attrs.jid!) !== to) continue;
      const text = await this.#phone(to).read(device.me!, getBinaryNodeChild(part, 'enc')!);
      if (!this.#shown.some((one) => one.to === to && one.id === id)) this.#shown.push({ to, text, id });
    }
    this.#tell(`a message has arrived at ${to}`);
  }

  #sendReceipts(from: string, id: string): void {
    if (this.#faults.receipts === 'none') return;
    const receipt = (type: object): BinaryNode => ({ tag: 'receipt', attrs: { id, from, t: seconds(), ...type } });
    setTimeout(() => this.#deliver(receipt({})), 10);
    if (this.#faults.receipts !== 'delivered') setTimeout(() => this.#deliver(receipt({ type: 'read' })), 30);
  }

  /** What nobody is there to take is kept until the next login. */
  #deliver(node: BinaryNode): void {
    const device = [...this.#devices].find((one) => one.me !== null && one.wire.open);
    if (device === undefined) this.#kept.push(node);
    else device.wire.send(node);
  }
}

const seconds = (): string => String(Math.floor(Date.now() / 1000));
