import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { type AcceptedOutcome, isOurs, type Policy, type PolicyAttribute } from '#domain/policy';
import { DAY } from '#domain/time';
import { type Attribute, attributeByName, attributeNames, encodeAttribute, InvalidAttribute } from '#radius/dictionary';
import { type Answer, dialAll } from '#test/freeradius/dials';
import { startRaddb } from '#test/freeradius/raddb';
import { entry, HOME_20, NAS, SECRET } from '#test/radius-server/harness';
import { RunningWorker } from '#test/radius-server/running-worker';
import { describeWithRaddb } from '#test/support/tools';

/**
 * Every attribute that a policy may write arrives through rlm_rest as it does from us: the name is one that FreeRADIUS has,
 * too, and the value one that it reads as we do. Two dictionaries that were written by different people are compared.
 */

const TOKEN = 'a-token-of-the-test-0123456789';
const ROUTER = '127.0.1.1';
const IN_AN_ANSWER = 12;

/** A value that a sloppy way would not survive. */
function awkward({ name, type }: Attribute): string {
  switch (type) {
    case 'integer':
      return '4000000001';
    case 'tagged-integer':
      return '7';
    case 'date':
      return '1795000000';
    case 'ipaddr':
      return '10.20.30.40';
    case 'ipv6addr':
      return '2001:db8::1:0:7';
    case 'ipv6prefix':
      return '2001:db8:1:2::/63';
    case 'text':
    case 'tagged-text':
      return `${name.slice(0, 8)} "%{x}" \\n \\\\ $é`;
    default:
      return '0x00ff5c2522257b7d';
  }
}

/** What cannot be written at all, or is never in an Access-Accept: FreeRADIUS takes these for itself. */
function isWritable(name: string): boolean {
  try {
    encodeAttribute(name, awkward(attributeByName(name)!));
    return !isOurs(name) && !NOT_IN_A_REPLY.has(name);
  } catch (error) {
    if (error instanceof InvalidAttribute) return false;
    throw error;
  }
}

/** Proofs and answers of FreeRADIUS' own making. */
const NOT_IN_A_REPLY = new Set([
  'MS-CHAP-Error',
  'MS-CHAP2-Success',
  // Taken out by sites-available/gerbang-rest, for its MS-CHAP would add them to every answer (see the guide).
  'MS-MPPE-Encryption-Policy',
  'MS-MPPE-Encryption-Types',
]);

describeWithRaddb('every attribute of the dictionary', () => {
  test('reaches a router through rlm_rest as it does from us', async () => {
    const names = attributeNames().filter(isWritable);
    expect(names.length).toBeGreaterThan(120);
    const groups: string[][] = [];
    for (let at = 0; at < names.length; at += IN_AN_ANSWER) groups.push(names.slice(at, at + IN_AN_ANSWER));
    const folder = await mkdtemp(join(tmpdir(), 'gerbang-attributes-'));
    const worker = new RunningWorker({
      worker: 0,
      hosts: ['127.0.0.1'],
      authPort: 0,
      acctPort: 0,
      reusePort: false,
      journalFolder: join(folder, 'journal'),
      rest: { host: '127.0.0.1', port: 0, token: TOKEN },
    });
    const { authPort, restPort } = await worker.hear('ready');
    worker.tell({ kind: 'nases', nases: [{ ...NAS, address: ROUTER }] });
    worker.tell({ kind: 'policy', policies: { current: policyOf(groups), rollout: null } });
    const now = systemClock();
    const subscribers = groups.map((_, i) => {
      const grants = [{ id: i + 1, plan: HOME_20, from: now - DAY, until: now + DAY, usedBytes: 0, metered: null }];
      return entry(`u${i}`, 'p', { subscriberId: i + 1, tags: [`g${i}`], grants });
    });
    worker.tell({ kind: 'subscribers', subscribers });
    await worker.settled();
    const settings = { url: `http://127.0.0.1:${restPort}`, token: TOKEN };
    const raddb = await startRaddb({ way: 'rest', settings, clients: { '127.0.1.0/24': SECRET } });
    try {
      const dials = groups.map((_, i) => ({ username: `u${i}`, password: 'p', credential: 'PAP' as const, mac: null }));
      const ask = (port: number) => dialAll({ host: '127.0.0.1', port, secret: SECRET }, ROUTER, dials);
      const direct = await ask(authPort);
      const rest = await ask(raddb.authPort);
      expect(direct.map(({ code }) => code)).toEqual(groups.map(() => 'Access-Accept'));
      const lines = (answers: readonly Answer[]) =>
        answers.flatMap(({ attributes }, i) =>
          attributes.filter((line) => !/^Session-Timeout/.test(line)).map((line) => `u${i} ${line}`),
        );
      expect(lines(rest)).toEqual(lines(direct));
    } finally {
      await raddb.stop();
      await worker.stop();
      await rm(folder, { recursive: true });
    }
  });
});

function policyOf(groups: readonly (readonly string[])[]): Policy {
  const rules = groups.map((names, i) => ({
    name: `group ${i}`,
    when: { is: 'tag', tag: `g${i}` } as const,
    give: {
      access: 'full',
      rate: { is: 'plan' },
      addressList: 'x',
      profile: null,
      pool: null,
      idleSeconds: null,
      interimSeconds: 300,
      attributes: names.map(
        // A brace opens a field in a policy's template.
        (name): PolicyAttribute => ({
          name,
          value: awkward(attributeByName(name)!).replaceAll('{', '{{'),
          vendor: null,
        }),
      ),
    } satisfies AcceptedOutcome,
  }));
  return { zone: 'Asia/Jakarta', rules };
}
