import { createHash, timingSafeEqual } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { monotonicMs } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { say } from '#domain/say';
import { SECOND } from '#domain/time';
import { encodeSentence, SentenceReader, WireFault } from '#integrations/routeros/wire';
import type { SecretText } from '#storage/secrets';

/** Where a router's API answers, and as whom we speak to it. */
export type ApiAddress = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: SecretText;
  /**
   * `pinned`: api-ssl with whatever certificate, as long as it is the one of `fingerprint` (SHA-256 in lower-case
   * hexadecimal); null takes any and tells it (`Connection.fingerprint`), to be kept from then on. `verified`: one that an
   * authority vouches for, made out to `host`. `off`: in clear, the password too; only over a VPN.
   */
  readonly tls: 'off' | 'pinned' | 'verified';
  readonly fingerprint: string | null;
  /** Authorities to believe beside the system's, PEM. */
  readonly ca?: string;
};

export type ApiRow = Readonly<Record<string, string>>;

/** What a command came to. A trap is the router's "no" to this command; the connection is well. */
export type Reply =
  | { readonly is: 'done'; readonly rows: readonly ApiRow[]; readonly ret: string | null }
  | { readonly is: 'trap'; readonly category: number | null; readonly message: string };

export type Connection = {
  /** Of the certificate the router showed; null without TLS. */
  readonly fingerprint: string | null;
  /**
   * Sends a command (`['/path', '=name=value', '?query']`) and resolves with what came of it. Any number may be asked at
   * once; `WINDOW` of them are on the way. Throws `Unavailable` when the connection is lost, for whatever reason, or the
   * router says nothing for `SILENCE_MS`: then whether it was carried out is not known.
   */
  talk(words: readonly string[]): Promise<Reply>;
  /** Why it is over, once it is. */
  readonly over: Promise<Unavailable>;
  close(): void;
};

/** So many commands are on their way at once. RouterOS works on them one by one; more would only wait there. */
const WINDOW = 64;
/** Between one sign of a command being worked on and the next. A print of 50,000 entries takes a slow router seconds. */
const SILENCE_MS = 20 * SECOND;
const CONNECT_MS = 10 * SECOND;
/** A command without an answer for so many silences, while others get theirs, was lost. */
const LOST_AFTER = 6;

export type Patience = {
  readonly connectMs?: number;
  readonly silenceMs?: number;
  /** Ends the attempt, or the connection. */
  readonly signal?: AbortSignal;
};

/**
 * Connects and logs in, with the plain login of RouterOS ≥ 6.43 or the challenge of those before. Throws `Unavailable`
 * with the reason in words: nobody there, another certificate than the pinned one, a wrong password, too many sessions.
 */
export async function connectRouterOs(address: ApiAddress, patience: Patience = {}): Promise<Connection> {
  const { connectMs = CONNECT_MS, silenceMs = SILENCE_MS, signal } = patience;
  const opened = await openSocket(address, connectMs, signal);
  const link = new Link(opened.socket, silenceMs);
  whenAborted(signal, () => link.close());
  try {
    await login(link, address, connectMs);
  } catch (error) {
    link.close();
    throw error;
  }
  return {
    fingerprint: opened.fingerprint,
    talk: (words) => link.talk(words),
    over: link.over,
    close: () => link.close(),
  };
}

type Opened = { readonly socket: Socket; readonly fingerprint: string | null };

function whenAborted(signal: AbortSignal | undefined, work: () => void): void {
  if (signal?.aborted === true) work();
  else signal?.addEventListener('abort', work, { once: true });
}

function openSocket(address: ApiAddress, withinMs: number, signal?: AbortSignal): Promise<Opened> {
  const { host, port, tls, ca } = address;
  return new Promise((resolve, reject) => {
    const socket =
      tls === 'off'
        ? connectTcp({ host, port })
        : // What is wrong with a pinned certificate is looked at below, before anything is said to the router.
          connectTls({ host, port, rejectUnauthorized: tls === 'verified', ...(ca === undefined ? {} : { ca }) });
    let isOpen = false;
    const fail = (why: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Unavailable(say`${host} port ${port}: ${why}`));
    };
    const timer = setTimeout(() => fail(say`no answer within ${withinMs / SECOND} s`), withinMs);
    whenAborted(signal, () => {
      if (!isOpen) fail(say`called off`);
    });
    socket.on('error', (error) => fail(explain(error, tls)));
    socket.once('close', () => fail(say`closed the connection`));
    socket.once(tls === 'off' ? 'connect' : 'secureConnect', () => {
      const shown = tls === 'off' ? null : fingerprintOf(socket as TLSSocket);
      if (tls === 'pinned' && shown === null) return fail(say`shows no certificate`);
      if (tls === 'pinned' && address.fingerprint !== null && !sameText(shown!, address.fingerprint)) {
        return fail(say`shows another certificate (SHA-256 ${shown}) than the one that was trusted before`);
      }
      clearTimeout(timer);
      isOpen = true;
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 30 * SECOND);
      resolve({ socket, fingerprint: shown });
    });
  });
}

function fingerprintOf(socket: TLSSocket): string | null {
  const { raw } = socket.getPeerCertificate();
  return raw === undefined ? null : createHash('sha256').update(raw).digest('hex');
}

const sameText = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

function explain(error: Error, tls: ApiAddress['tls']): string {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return say`nothing listens there (/ip service enable api-ssl)`;
  if (/HANDSHAKE_FAILURE|NO_SHARED_CIPHER/.test(code))
    return say`api-ssl has no certificate (/ip service set api-ssl certificate=…)`;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return say`does not speak TLS there (api is 8728, api-ssl 8729)`;
  if (tls === 'verified' && /CERT|ALTNAME|ISSUER/.test(code))
    return say`its certificate is not trusted: ${error.message}`;
  return error.message;
}

async function login(link: Link, { user, password, host, port }: ApiAddress, withinMs: number): Promise<void> {
  const late = setTimeout(() => link.close(say`no answer to the login within ${withinMs / SECOND} s`), withinMs);
  try {
    let reply = await link.talk(['/login', `=name=${user}`, `=password=${password.reveal()}`]);
    // A version before 6.43 answers any password with a challenge.
    if (reply.is === 'done' && reply.ret !== null && /^[0-9a-f]{32}$/i.test(reply.ret)) {
      const digest = createHash('md5').update('\0').update(password.reveal()).update(Buffer.from(reply.ret, 'hex'));
      reply = await link.talk(['/login', `=name=${user}`, `=response=00${digest.digest('hex')}`]);
    }
    if (reply.is === 'trap') throw new Unavailable(say`refuses the user "${user}": ${reply.message}`);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    throw new Unavailable(say`${host} port ${port}: ${error.message}`);
  } finally {
    clearTimeout(late);
  }
}

type Command = {
  readonly tag: string;
  readonly words: readonly string[];
  readonly rows: ApiRow[];
  trap: Extract<Reply, { is: 'trap' }> | null;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Unavailable) => void;
  sentAtMs: number;
};

/** One connection's commands: each has a tag, so replies find their way in whatever order they come. */
class Link {
  readonly over: Promise<Unavailable>;
  readonly #socket: Socket;
  readonly #silenceMs: number;
  readonly #reader = new SentenceReader();
  readonly #waiting: Command[] = [];
  readonly #asked = new Map<string, Command>();
  #isOver: (why: Unavailable) => void = () => undefined;
  #fault: Unavailable | null = null;
  #tags = 0;
  #heardAtMs = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(socket: Socket, silenceMs: number) {
    this.#socket = socket;
    this.#silenceMs = silenceMs;
    this.over = new Promise((resolve) => {
      this.#isOver = resolve;
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#end(say`the connection broke: ${error.message}`));
    socket.on('end', () => this.#end(say`closed the connection`));
    socket.on('close', () => this.#end(say`closed the connection`));
    // It may have gone between the handshake and here, when nobody listened.
    if (socket.destroyed) this.#end(say`closed the connection`);
  }

  talk(words: readonly string[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== null) return reject(this.#fault);
      this.#tags += 1;
      this.#waiting.push({ tag: String(this.#tags), words, rows: [], trap: null, resolve, reject, sentAtMs: 0 });
      this.#send();
    });
  }

  close(why = say`we closed the connection`): void {
    this.#end(why);
  }

  #send(): void {
    while (this.#asked.size < WINDOW && this.#fault === null) {
      const command = this.#waiting.shift();
      if (command === undefined) return;
      command.sentAtMs = monotonicMs();
      if (this.#asked.size === 0) this.#heardAtMs = command.sentAtMs;
      this.#asked.set(command.tag, command);
      this.#watch ??= setInterval(() => this.#look(), this.#silenceMs / 4);
      this.#socket.write(encodeSentence([...command.words, `.tag=${command.tag}`]));
    }
  }

  #look(): void {
    const now = monotonicMs();
    const [oldest] = this.#asked.values();
    if (oldest === undefined) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    } else if (now - this.#heardAtMs >= this.#silenceMs) {
      this.#end(say`no answer within ${this.#silenceMs / SECOND} s`);
    } else if (now - oldest.sentAtMs >= this.#silenceMs * LOST_AFTER) {
      this.#end(say`answers others, but not ${oldest.words[0]}`);
    }
  }

  #take(chunk: Buffer): void {
    if (this.#fault !== null) return;
    this.#heardAtMs = monotonicMs();
    try {
      for (const words of this.#reader.push(chunk)) this.#reply(words);
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      this.#end(say`what it says is not the RouterOS API: ${error.message}`);
      return;
    }
    this.#send();
  }

  #reply(sentence: readonly string[]): void {
    const [says, ...words] = sentence;
    if (says === '!fatal') this.#end(say`ended the connection: ${words.join(' ') || say`without a reason`}`);
    const tag = words.find((word) => word.startsWith('.tag='))?.slice('.tag='.length);
    const command = tag === undefined ? undefined : this.#asked.get(tag);
    if (command === undefined) return; // of nobody that still waits
    if (says === '!re') command.rows.push(attributes(words));
    else if (says === '!trap') command.trap ??= trapOf(attributes(words));
    else if (says === '!done') {
      this.#asked.delete(command.tag);
      command.resolve(command.trap ?? { is: 'done', rows: command.rows, ret: attributes(words).ret ?? null });
    }
    // `!empty`, from 7.18 on, says what no `!re` before `!done` says as well; and so on with what is not invented yet.
  }

  #end(why: string): void {
    if (this.#fault !== null) return;
    this.#fault = new Unavailable(why);
    clearInterval(this.#watch);
    this.#socket.destroy();
    for (const { reject } of [...this.#asked.values(), ...this.#waiting.splice(0)]) reject(this.#fault);
    this.#asked.clear();
    this.#isOver(this.#fault);
  }
}

function attributes(words: readonly string[]): Record<string, string> {
  const row: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf('=', 1);
    if (word.startsWith('=') && equals !== -1) row[word.slice(1, equals)] = word.slice(equals + 1);
  }
  return row;
}

function trapOf({ category, message }: ApiRow): Extract<Reply, { is: 'trap' }> {
  return {
    is: 'trap',
    category: category !== undefined && /^\d$/.test(category) ? Number(category) : null,
    message: message ?? say`refused without a reason`,
  };
}
