import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ntResponse, ntResponse2 } from '#test/world/chap';

/** Dials by radclient, many at once, and their answers in a form that can be compared. */

export const CREDENTIALS = ['PAP', 'CHAP', 'MS-CHAP', 'MS-CHAPv2'] as const;
export type Credential = (typeof CREDENTIALS)[number];

export type Dial = {
  readonly username: string;
  readonly password: string;
  readonly credential: Credential;
  readonly mac: string | null;
};

export type Answer = { readonly code: string; readonly attributes: readonly string[] };

const run = promisify(execFile);
const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;

/** Challenges are fixed, so that every server is asked the very same. */
function credentialLines({ username, password, credential }: Dial): string[] {
  const challenge = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
  const hex = (octets: Buffer) => `0x${octets.toString('hex')}`;
  switch (credential) {
    case 'PAP':
      return [`User-Password = ${quote(password)}`];
    case 'CHAP':
      return [`CHAP-Password = ${quote(password)}`];
    case 'MS-CHAP': {
      const short = challenge.subarray(0, 8);
      const response = Buffer.concat([Buffer.of(7, 1), Buffer.alloc(24), ntResponse(short, password)]);
      return [`MS-CHAP-Challenge = ${hex(short)}`, `MS-CHAP-Response = ${hex(response)}`];
    }
    case 'MS-CHAPv2': {
      const peer = Buffer.alloc(16, 0x5a);
      const proof = ntResponse2(challenge, peer, username, password);
      const response = Buffer.concat([Buffer.of(7, 0), peer, Buffer.alloc(8), proof]);
      return [`MS-CHAP-Challenge = ${hex(challenge)}`, `MS-CHAP2-Response = ${hex(response)}`];
    }
  }
}

const NEVER_ANSWERED: Answer = { code: 'silence', attributes: [] };

/** Sends every dial from `from` and gives the answers in their order; silence after three seconds is one, too. */
export async function dialAll(
  to: { readonly host: string; readonly port: number; readonly secret: string },
  from: string,
  dials: readonly Dial[],
): Promise<Answer[]> {
  const packets = dials.map((dial, i) =>
    [
      `Packet-Src-IP-Address = ${from}`,
      `User-Name = ${quote(dial.username)}`,
      `NAS-Port = ${i}`,
      'NAS-Identifier = "a router"',
      'Service-Type = Framed-User',
      'Framed-Protocol = PPP',
      'Message-Authenticator = 0x00',
      ...(dial.mac === null ? [] : [`Calling-Station-Id = "${dial.mac}"`]),
      ...credentialLines(dial),
    ].join('\n'),
  );
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-dials-'));
  try {
    const file = join(folder, 'dials');
    await writeFile(file, `${packets.join('\n\n')}\n`);
    const args = ['-x', '-f', file, '-p', '40', '-r', '1', '-t', '3', `${to.host}:${to.port}`, 'auth', to.secret];
    // It exits with 1 where anything was rejected.
    const { stdout } = await run('radclient', args, { maxBuffer: 2 ** 28 }).catch(
      (failed: { stdout: string }) => failed,
    );
    return readAnswers(stdout, dials.length);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What radclient printed: `Sent … Id N` with NAS-Port, and later `Received … Id N`. */
function readAnswers(printed: string, count: number): Answer[] {
  const answers = new Array<Answer>(count).fill(NEVER_ANSWERED);
  const dialOf = new Map<string, number>();
  for (const block of printed.split(/^(?=Sent |Received )/m)) {
    const [, did, code = '', id = ''] = /^(Sent|Received) (\S+) Id (\d+)/.exec(block) ?? [];
    const attributes = [...block.matchAll(/^\t(.*)$/gm)].map(([, line]) => line!);
    if (did === 'Sent') dialOf.set(id, Number(/NAS-Port = (\d+)/.exec(block)?.[1]));
    else if (did === 'Received') answers[dialOf.get(id)!] = { code, attributes: attributes.map(comparable).sort() };
  }
  return answers;
}

/** Without what differs between two answers of the same server, and nothing else. */
function comparable(line: string): string {
  const [name = '', value = ''] = line.split(' = ');
  switch (name) {
    case 'Class': {
      const text = Buffer.from(value.slice(2), 'hex').toString('latin1');
      return `Class = ${text.replace(/^gb1\|[\w-]{22}\|/, 'gb1|TOKEN|')}`;
    }
    case 'Message-Authenticator':
      return 'Message-Authenticator';
    case 'Session-Timeout':
      return `Session-Timeout = ${Math.floor(Number(value) / 3600)} h`;
    case 'MS-CHAP-MPPE-Keys':
      // FreeRADIUS leaves the LM key zero, which is for 40-bit MPPE after MS-CHAPv1 and nothing else (RFC 2548 section 2.4.1).
      return `MS-CHAP-MPPE-Keys = 0x<LM key>${value.slice(18)}`;
    case 'MS-CHAP-Error':
      // The identifier, "no such credential" and a challenge: FreeRADIUS adds words of its own, and offers another try.
      return `MS-CHAP-Error = ${value.replace(/^"(\\007|.)(E=691) R=[01] C=[0-9A-Fa-f]+ V=(\d).*$/, '$1 $2 V=$3')}`;
    default:
      return line;
  }
}
