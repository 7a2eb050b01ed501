import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * A real FreeRADIUS 3 (Debian's package, 3.2.1 on Debian 12) in the foreground, with a generated configuration in a
 * temporary folder and loopback ports of its own: as an authentication server to compare with, and as an independent
 * peer that judges our CoA and Disconnect packets.
 */
export type FreeRadius = {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Where it takes accounting (authentication server only; 0 otherwise). */
  readonly acctPort: number;
  readonly secret: string;
  /** Process id, for measuring its memory. */
  readonly pid: number;
  /** The accounting or CoA/Disconnect requests it believed so far, each as `attribute → printed value`. */
  received(): Promise<Received[]>;
  /** What it logged. */
  log(): string;
  stop(): Promise<void>;
};

export type Received = { readonly type: string; readonly attributes: Readonly<Record<string, string>> };

/** The binaries the tests need; names of Debian packages are `freeradius` and `freeradius-utils`. */
const PATHS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/sbin', '/bin'];

export function binary(name: string): string | null {
  return PATHS.map((folder) => join(folder, name)).find(existsSync) ?? null;
}

/** Why tests with a real FreeRADIUS cannot run here, or null. */
export function freeRadiusMissing(): string | null {
  if (!binary('freeradius') && !binary('radiusd')) return 'freeradius is not installed';
  return binary('radclient') ? null : 'radclient is not installed (Debian: freeradius-utils)';
}

export type AuthServerOptions = {
  users: Iterable<{ username: string; password: string }>;
  secret?: string;
  /** Reply items of every user, in FreeRADIUS' `users` syntax. */
  reply?: readonly string[];
  threads?: number;
  /** Accepts everybody without looking at a credential, so also without a proof of its own (MS-CHAP2-Success). */
  acceptAll?: boolean;
  /** False: replies carry no Message-Authenticator, as servers before 2024 sent them. */
  messageAuthenticator?: boolean;
};

/** FreeRADIUS answering PAP, CHAP and MS-CHAP from its in-memory `files` module, and noting down accounting. */
export async function startFreeRadiusAuth(options: AuthServerOptions): Promise<FreeRadius> {
  const signed = options.messageAuthenticator === false ? [] : ['Message-Authenticator := 0x00'];
  const reply = [...signed, ...(options.reply ?? [])].map((item) => `\t${item}`).join(',\n');
  const users: string[] = [];
  for (const { username, password } of options.users) {
    const check = options.acceptAll ? 'Auth-Type := Accept' : `Cleartext-Password := ${quote(password)}`;
    users.push(`${quote(username)} ${check}\n${reply}\n`);
  }
  return start({
    secret: options.secret ?? 'testing123',
    files: { users: users.join('\n') },
    accounting: true,
    configuration: (folder, port, secret, acctPort) => `
${head(folder, options.threads ?? 2)}
${client(secret)}
modules {
  files { filename = ${folder}/users }
  pap { }
  chap { }
  mschap { use_mppe = yes, require_encryption = no }
  detail received { filename = ${folder}/received, permissions = 0600, header = "%t" }
  always ok { rcode = ok }
}
server default {
  listen { type = auth, ipaddr = 127.0.0.1, port = ${port} }
  listen { type = acct, ipaddr = 127.0.0.1, port = ${acctPort} }
  authorize {
    mschap
    chap
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
    Auth-Type CHAP {
      chap
    }
    Auth-Type MS-CHAP {
      mschap
    }
  }
  accounting {
    received
  }
}`,
  });
}

export type CoaRule = {
  /** User-Name the rule is for; without one it is for everybody. */
  username?: string;
  /** Refuse with this Error-Cause name, such as `Session-Context-Not-Found`; without one: ACK. */
  errorCause?: string;
};

/** FreeRADIUS as a NAS that takes CoA-Request and Disconnect-Request (`listen { type = coa }`): first rule wins. */
export async function startFreeRadiusCoa(options: {
  secret?: string;
  rules?: readonly CoaRule[];
}): Promise<FreeRadius> {
  const rules = (options.rules ?? []).map(({ username, errorCause }, i) => {
    const condition = username === undefined ? 'true' : `&User-Name == ${quote(username)}`;
    const refusal = errorCause === undefined ? 'ok' : `update reply {\n&Error-Cause := ${errorCause}\n}\nreject`;
    return `${i === 0 ? 'if' : 'elsif'} (${condition}) {\n${refusal}\n}`;
  });
  const otherwise = rules.length === 0 ? 'ok' : 'else {\nok\n}';
  return start({
    secret: options.secret ?? 'testing123',
    files: {},
    accounting: false,
    configuration: (folder, port, secret) => `
${head(folder, 1)}
${client(secret)}
modules {
  detail received { filename = ${folder}/received, permissions = 0600, header = "%t" }
  always ok { rcode = ok }
  always reject { rcode = reject }
}
server default {
  listen { type = coa, ipaddr = 127.0.0.1, port = ${port} }
  recv-coa {
    received
    ${rules.join('\n')}
    ${otherwise}
  }
  send-coa {
    ok
  }
}`,
  });
}

/** Sends one request with radclient. `type` is radclient's: `auth`, `acct`, `coa`, `disconnect`, `status`. */
export async function radclient(
  to: { host: string; port: number; secret: string },
  type: string,
  attributes: readonly string[],
  options: { timeoutSeconds?: number; tries?: number } = {},
): Promise<{ answered: boolean; text: string }> {
  const program = binary('radclient');
  if (!program) throw new Error('radclient is not installed');
  const args = ['-x', '-t', `${options.timeoutSeconds ?? 2}`, '-r', `${options.tries ?? 1}`];
  const child = execFile(program, [...args, `${to.host}:${to.port}`, type, to.secret]);
  child.stdin?.end(`${attributes.join('\n')}\n`);
  let text = '';
  child.stdout?.on('data', (part: string) => {
    text += part;
  });
  child.stderr?.on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  return { answered: /^Received /m.test(text), text };
}

function head(folder: string, threads: number): string {
  const libraries = ['/usr/lib/freeradius', '/usr/lib64/freeradius', '/usr/local/lib'].find(existsSync);
  return `
prefix = /usr
name = test
libdir = ${libraries}
run_dir = ${folder}
logdir = ${folder}
radacctdir = ${folder}
cleanup_delay = 0
max_request_time = 30
max_requests = 262144
hostname_lookups = no
log { destination = stdout, auth = no }
security { reject_delay = 0, status_server = no, max_attributes = 200, allow_core_dumps = no }
proxy_requests = no
thread pool {
  start_servers = ${threads}
  max_servers = ${threads}
  min_spare_servers = 1
  max_spare_servers = ${threads}
  max_requests_per_server = 0
  max_queue_size = 65536
}`;
}

const client = (secret: string) => `
client loopback {
  ipaddr = 127.0.0.0/8
  secret = ${quote(secret)}
  require_message_authenticator = no
}`;

const quote = (text: string) => `"${text.replace(/[\\"]/g, '\\$&')}"`;

async function start(plan: {
  secret: string;
  files: Record<string, string>;
  accounting: boolean;
  configuration: (folder: string, port: number, secret: string, acctPort: number) => string;
}): Promise<FreeRadius> {
  const program = binary('freeradius') ?? binary('radiusd');
  if (!program) throw new Error('freeradius is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-freeradius-'));
  const port = await freePort();
  const acctPort = plan.accounting ? await freePort() : 0;
  for (const [name, text] of Object.entries(plan.files)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, 'radiusd.conf'), plan.configuration(folder, port, plan.secret, acctPort));
  await writeFile(join(folder, 'dictionary'), '');
  await writeFile(join(folder, 'received'), ''); // it makes no file below /dev itself, and a run may live in /dev/shm
  const child = spawn(program, ['-f', '-l', 'stdout', '-n', 'radiusd', '-d', folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  try {
    await ready(child, said);
  } catch (error) {
    await end(child, folder);
    throw error;
  }
  return {
    host: '127.0.0.1',
    port,
    acctPort,
    secret: plan.secret,
    pid: child.pid as number,
    log: () => said.join('\n'),
    received: async () => parseDetail(await readFile(join(folder, 'received'), 'utf8').catch(emptyIfNone)),
    stop: () => end(child, folder),
  };
}

export function ready(child: ChildProcess, said: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const hear = (line: string) => {
      said.push(line);
      if (said.length > 2000) said.splice(0, 1000);
      if (line.includes('Ready to process requests')) resolve();
    };
    if (child.stdout) createInterface(child.stdout).on('line', hear);
    if (child.stderr) createInterface(child.stderr).on('line', hear);
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`freeradius ended with ${code}:\n${said.slice(-15).join('\n')}`)));
  });
}

export async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    // 3.2.1, ended right after much work, may spin in fr_atomic_queue_pop for ever.
    const patience = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await closed;
    clearTimeout(patience);
  }
  await rm(folder, { recursive: true, force: true });
}

/** A UDP port of the loopback that was free a moment ago: FreeRADIUS cannot tell which one it took for port 0. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

function emptyIfNone(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}

/** A detail file: blocks of `\tName = value` lines after a heading, divided by empty lines. */
function parseDetail(text: string): Received[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const pairs = [...block.matchAll(/^\s+([\w-]+) = (.*)$/gm)].map(([, name, value]) => [
        name as string,
        (value as string).replace(/^"(.*)"$/, '$1'),
      ]);
      const attributes = Object.fromEntries(pairs) as Record<string, string>;
      return { type: attributes['Packet-Type'] ?? 'unknown', attributes };
    });
}
