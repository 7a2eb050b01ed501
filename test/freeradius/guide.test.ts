import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { defaultPolicy } from '#domain/policy';
import { DAY } from '#domain/time';
import { readConfig } from '#policy-server/config';
import { shippedFile, startRaddb } from '#test/freeradius/raddb';
import { entry, HOME_20, NAS, SECRET } from '#test/radius-server/harness';
import { RunningWorker } from '#test/radius-server/running-worker';
import { describeWithRaddb } from '#test/support/tools';

/** docs/FREERADIUS.md and the files it is about, held against each other. */

const file = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
const guide = file('docs/FREERADIUS.md');
const folder = fileURLToPath(new URL('../../freeradius-config/', import.meta.url));
const shipped = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((one) => one.isFile() && one.name !== 'README.md')
  .map((one) => join(one.parentPath, one.name).slice(folder.length));

describe('the guide', () => {
  test('names every file, and no file that is not there', () => {
    const named = shipped.map((path) => path.replace(/sites-available\/gerbang-.*/, 'sites-available/gerbang-'));
    for (const path of named) expect(guide).toContain(path);
    for (const [, path] of guide.matchAll(/`((?:sites-available|policy\.d|mods-available)\/gerbang[\w-]*)`/g))
      expect(shipped).toContain(path);
  });

  test('says the settings that the program has, and its defaults', () => {
    const token = 'x'.repeat(20);
    expect(readConfig({}).aaa).toBeNull();
    expect(readConfig({ AAA_TOKEN: token }).aaa).toEqual({ host: '127.0.0.1', port: 8120, token });
    expect(guide).toMatch(/AAA_HOST=127\.0\.0\.1[^\n]*\n\s*AAA_PORT=8120/);
    expect(shippedFile('gerbang.conf')).toContain('gerbang_url = "http://127.0.0.1:8120"');
  });
});

describe('the files', () => {
  test('every setting is used, and every setting that is used is in gerbang.conf', () => {
    const text = shipped.filter((path) => path !== 'gerbang.conf').map(shippedFile);
    const used = new Set(text.flatMap((one) => [...one.matchAll(/\$\{(gerbang_\w+)\}/g)].map(([, name]) => name)));
    const set = [...shippedFile('gerbang.conf').matchAll(/^(gerbang_\w+) = /gm)].map(([, name]) => name);
    expect([...used].sort()).toEqual(set.sort());
  });

  test('nothing in them rejects for a reason of ours: only a right password with a reason, and a CoA that goes nowhere', () => {
    const rejects = shipped.flatMap((path) =>
      shippedFile(path)
        .split('\n')
        .filter((line) => /^\s*reject\s*$/.test(line))
        .map(() => path),
    );
    expect(rejects).toEqual(['sites-available/gerbang-coa', 'sites-available/gerbang-rest']);
  });
});

describeWithRaddb('EAP, as the guide says', () => {
  test('a dial by EAP-MD5 is answered by FreeRADIUS with the password and the reply of Gerbang', async () => {
    const home = await mkdtemp(join(tmpdir(), 'gerbang-eap-'));
    const worker = new RunningWorker({
      worker: 0,
      hosts: ['127.0.0.1'],
      authPort: 0,
      acctPort: 0,
      reusePort: false,
      journalFolder: join(home, 'journal'),
      rest: { host: '127.0.0.1', port: 0, token: 'a-token-of-the-test-0123456789' },
    });
    const { restPort } = await worker.hear('ready');
    const now = systemClock();
    const grants = [{ id: 1, plan: HOME_20, from: now - DAY, until: now + DAY, usedBytes: 0, metered: null }];
    worker.tell({ kind: 'nases', nases: [NAS] });
    worker.tell({ kind: 'policy', policies: { current: defaultPolicy(), rollout: null } });
    worker.tell({ kind: 'subscribers', subscribers: [entry('demo', 'arctangent', { grants })] });
    worker.tell({ kind: 'snapshotDone' });
    const raddb = await startRaddb({
      way: 'rest',
      settings: { url: `http://127.0.0.1:${restPort}`, token: 'a-token-of-the-test-0123456789' },
      clients: { '127.0.0.1': SECRET },
      changes: {
        'sites-available/gerbang-rest': [
          [/^#(\t\teap \{\n)#(\t\t\tok = return\n)#(\t\t\}\n)/m, '\t\teap {\n\t\t\tok = return\n\t\t}\n'],
          [/^#\t\teap$/m, '\t\teap'],
        ],
      },
    });
    try {
      expect(await eap(home, raddb.authPort, 'arctangent')).toMatch(
        /Access-Accept[\s\S]*Mikrotik-Rate-Limit = "5000k\/20000k"/,
      );
      const refused = await eap(home, raddb.authPort, 'wrong');
      expect(refused).toContain('Access-Reject');
      // An answer with EAP in it has no words (RFC 3579 section 2.6.5).
      expect(refused).not.toContain('Reply-Message');
    } finally {
      await raddb.stop();
      await worker.stop();
      await rm(home, { recursive: true });
    }
  });

  async function eap(home: string, port: number, password: string): Promise<string> {
    const dial = join(home, 'eap');
    const lines = [
      'User-Name = "demo"',
      `Cleartext-Password = "${password}"`,
      'NAS-Identifier = "pop"',
      'EAP-Code = Response',
      'EAP-Id = 210',
      'EAP-Type-Identity = "demo"',
      'Message-Authenticator = 0x00',
    ];
    await writeFile(dial, `${lines.join('\n')}\n`);
    const run = promisify(execFile)('radeapclient', ['-x', '-t', '5', '-f', dial, `127.0.0.1:${port}`, 'auth', SECRET]);
    const { stdout } = await run.catch((failed: { stdout: string }) => failed);
    return stdout;
  }
});
