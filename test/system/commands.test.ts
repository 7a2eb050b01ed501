import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { verifyPassword } from '#operations/password-hash';
import { loadNodeState } from '#policy-server/node-state';
import type { Database } from '#storage/database';
import { installationId } from '#storage/installation';
import { loadMasterKey, nasApiPasswordAad } from '#storage/secrets';
import { readSecretSetting } from '#storage/settings';
import { testDatabase } from '#test/support/database';
import { environment, gerbang, launchNode, newDataDir, portsOf } from '#test/system/node';

let db: Database;
let dataDir: string;
let env: Record<string, string>;

beforeAll(async () => {
  db = await testDatabase();
  dataDir = newDataDir();
  env = environment(dataDir, { DATABASE_URL: db.url });
});

async function run(words: string, input = ''): Promise<string> {
  const ran = await gerbang(
    env,
    words.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', '')),
    input,
  );
  if (ran.code !== 0) throw new Error(`gerbang ${words}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout.trim();
}

async function refusal(words: string): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await gerbang(
    env,
    words.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', '')),
  );
  return { code, stderr: stderr.trim() };
}

const sealer = () => loadMasterKey(join(dataDir, 'master.key'));

describe('gerbang at the command line', () => {
  test('staff: add, list, disable, enable, reset', async () => {
    const added = await run('staff add --username hadi --name "Pak Hadi" --role owner');
    const password = /shown this once: (\S+)/.exec(added)![1]!;
    const [row] = await db.query<{ hash: string }>(`select password_hash as hash from staff where username = 'hadi'`);
    expect(await verifyPassword(password, row!.hash)).toBe(true);
    expect(await refusal('staff disable hadi')).toEqual({
      code: 1,
      stderr: 'hadi is the only owner who can log in; make somebody else an owner first',
    });
    await run('staff add --username siti --role technician');
    expect(await run('staff disable siti')).toMatch(/^siti is disabled and logged out everywhere\./);
    expect(await run('staff list')).toMatch(/^siti +technician +no +- +\d/m);
    expect(await run('staff enable siti')).toBe('siti may log in again.');
    expect(await run('staff reset-password siti')).toMatch(/^One-time password of siti, shown this once: \S{16}\n/);
    expect(await run('staff reset-totp siti')).toBe('siti has no second factor; nothing was changed.');
    expect(await refusal('staff disable nobody')).toEqual({
      code: 1,
      stderr: 'there is no staff member "nobody"; there are: hadi, siti',
    });
    expect(await refusal('staff add --username x --role boss')).toEqual({
      code: 1,
      stderr: '--role "boss" is not usable; give one of owner, admin, customer-service, technician, network-engineer',
    });
  });

  test('nas: edit and remove', async () => {
    await run('nas add --name tower --address 10.20.0.1 --secret generate');
    const said = await run(
      'nas edit tower --rename hill --api-user gerbang --api-password - --coa-per-second 9',
      'api-pw\n',
    );
    expect(said).toBe('NAS hill: changed: name, coaPerSecond, apiUser, apiPassword.');
    const [row] = await db.query<{ id: number; sealed: Buffer; rate: number }>(
      `select id, api_password_sealed as sealed, coa_per_second as rate from nas where name = 'hill'`,
    );
    expect(row!.rate).toBe(9);
    expect(sealer().open(row!.sealed, nasApiPasswordAad(row!.id))).toBe('api-pw');
    expect(await refusal('nas edit hill --rename " x" --api-tls maybe')).toEqual({
      code: 1,
      stderr: [
        '--rename " x" is not usable; give a name of 1 to 100 characters, for example tower-north',
        '--api-tls "maybe" is not usable; give off, pinned (the certificate that was seen first) or verified (a public one)',
      ].join('\n'),
    });
    expect(await refusal('nas edit hill')).toEqual({
      code: 1,
      stderr: 'nothing to change is given; see: nas edit --help',
    });
    expect(await refusal('nas remove tower')).toEqual({ code: 1, stderr: 'there is no NAS "tower"; there are: hill' });
    expect(await run('nas remove hill')).toBe('NAS hill is removed; it may not ask any more.');
  });

  test('plan: edit and delete', async () => {
    await run(
      'plan add --name home --down 20M --up 10M --burst "40M/20M 15M/8M 16" --quota 20GB --period 30d --price 75000',
    );
    expect(await run('plan edit home --description "untuk keluarga" --on-portal false --position 3')).toBe(
      'Plan home is changed; its terms are as they were.',
    );
    expect(await run('plan edit home --rename family --price 80000 --quota=')).toBe('Plan family has its revision 2.');
    const [plan] = JSON.parse(await run('plan list --json')) as unknown[];
    expect(plan).toMatchObject({
      name: 'family',
      revision: 2,
      priceRupiah: 80_000,
      allowanceBytes: null,
      rate: { downloadBps: 20_000_000, uploadBps: 10_000_000, burst: { seconds: 16 } },
      description: 'untuk keluarga',
      onPortal: false,
      position: 3,
    });
    expect(await refusal('plan edit family --price 1x --down fast')).toMatchObject({ code: 1 });
    expect(await run('plan delete family')).toBe('Plan family is deleted; what was sold of it stays in the books.');
    expect(await refusal('plan delete family')).toEqual({
      code: 1,
      stderr: 'there is no plan "family"; there are: none yet; add one with: plan add',
    });
  });

  test('session disconnect: asks for the end of what is live, with a reason', async () => {
    await run('subscriber add --username wati --password rahasia-77');
    await run('nas add --name tower-wati --address 10.7.7.7 --secret generate');
    expect(await refusal('session disconnect wati')).toEqual({ code: 2, stderr: expect.stringContaining('--reason') });
    expect(await refusal('session disconnect wati --reason "the modem hangs"')).toEqual({
      code: 1,
      stderr: 'there is no such live session: it has ended',
    });
    await db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, started_at, heard_at, day)
       select 'wati', nas.id, '10.7.7.7', '81', 'wati', s.id, now(), now(), current_date
         from subscriber s, nas where s.username = 'wati' and nas.name = 'tower-wati'`,
    );
    expect(await run('session disconnect wati --reason "the modem hangs"')).toMatch(
      /^The router of 1 session of wati is asked to end it\.\n/,
    );
    const asked = await db.query(`select end_reason as reason from session where end_asked_at is not null`);
    expect(asked).toEqual([{ reason: 'the modem hangs' }]);
  });

  test('setting: show and set; a secret comes from standard input and is never printed', async () => {
    expect(await run('setting set company.name "Maju Net"')).toBe('company.name is Maju Net.');
    expect(await run('setting set walledGarden.hosts "app.midtrans.com, 1.1.1.1"')).toContain(
      '["app.midtrans.com","1.1.1.1"]',
    );
    await gerbang(env, ['setting', 'set', 'whatsapp.cloud', '{"phoneNumberId":"106540352242922"}']);
    expect(await run('setting set whatsapp.cloud.token -', 'EAAG-canary\n')).toBe('whatsapp.cloud.token is set.');
    expect(await readSecretSetting(db, sealer(), 'whatsapp.cloud.token')).toBe('EAAG-canary');
    const shown = await run('setting show');
    expect(shown).toMatch(/^company\.name +Maju Net$/m);
    expect(shown).toMatch(/^whatsapp\.cloud +\{"phoneNumberId":"106540352242922"/m);
    expect(shown).toMatch(/^whatsapp\.cloud\.token +set$/m);
    expect(shown).toMatch(/^whatsapp\.cloud\.app-secret +not set$/m);
    const installation = await installationId(db);
    expect(shown).toMatch(new RegExp(`^installation +${installation} .*gerbang:${installation}:NUMBER`, 'm'));
    expect(shown).not.toContain('canary');
    expect((await refusal('setting set whatsapp.cloud.token EAAG')).stderr).toBe(
      'whatsapp.cloud.token is a secret: give - and write it to standard input',
    );
    expect((await refusal('setting set company.colour red')).stderr).toMatch(
      /^there is no setting "company\.colour"; there are: company\.name,/,
    );
    expect((await refusal('setting set reminders.endingSoonHours soon')).code).toBe(1);
    await gerbang(env, ['setting', 'set', 'whatsapp.cloud.token', '']);
    expect(await readSecretSetting(db, sealer(), 'whatsapp.cloud.token')).toBeNull();
  });

  test('nas script: what stays open without a package is what the settings say, unless it is named', async () => {
    await run('nas add --name tower-garden --address 10.9.9.9 --secret generate');
    const ports = { RADIUS_AUTH_PORT: '1812', RADIUS_ACCT_PORT: '1813' };
    const words = 'nas script tower-garden --server 10.0.0.2 --portal-url http://10.0.0.2:3000'.split(' ');
    const garden = async (...more: string[]) => {
      const { stdout } = await gerbang({ ...env, ...ports }, [...words, ...more]);
      return [...stdout.matchAll(/add list=walled-garden address=(\S+)/g)].map(([, host]) => host);
    };
    await run('setting set walledGarden.hosts ""');
    expect(await garden()).toEqual(['10.0.0.2']);
    await run('setting set walledGarden.hosts pay.example.net,203.0.113.7');
    await gerbang(env, ['setting', 'set', 'gateways.xendit', '{"active": true}']);
    const open = await garden();
    expect(open).toEqual(['10.0.0.2', expect.stringContaining('xendit.co'), ...open.slice(2)]);
    expect(open.slice(-2)).toEqual(['pay.example.net', '203.0.113.7']);
    await gerbang(env, ['setting', 'set', 'gateways.xendit', '{"active": false}']);
    expect(await garden()).toEqual(['10.0.0.2', 'pay.example.net', '203.0.113.7']);
    expect(await garden('--walled-garden', 'bank.example.net')).toEqual(['10.0.0.2', 'bank.example.net']);
    const asked = await db.query(
      `select actor ~ '^cli:.' as by_somebody, detail->>'name' as name from audit where why = 'show router script'`,
    );
    expect(asked).toEqual(Array(4).fill({ by_somebody: true, name: 'tower-garden' }));
  });
});

describe("the company's zone", () => {
  const zoneOfCommands = async (more: Record<string, string> = {}) =>
    (JSON.parse((await gerbang({ ...env, ...more }, ['setting', 'show', '--json'])).stdout) as { zone: string }).zone;

  /** What a node worked with, as it leaves it on disk for a start without the database. */
  async function zoneOfNode(more: Record<string, string> = {}): Promise<string> {
    const node = launchNode({ ...env, ...more });
    await portsOf(node);
    expect(await node.stop()).toMatchObject({ code: 0 });
    const state = await loadNodeState(dataDir, sealer(), { zone: 'Asia/Jakarta', zoneIsSet: false });
    return state!.policies.current.zone;
  }

  test('is what was saved, from the next start on, for the server and for commands; COMPANY_TIMEZONE wins', async () => {
    expect(await zoneOfCommands()).toBe('Asia/Jakarta');
    expect(await run('setting set company.zone Asia/Makassar')).toBe(
      'company.zone is Asia/Makassar. It takes effect at the next start.',
    );
    expect(await zoneOfCommands()).toBe('Asia/Makassar');
    expect(await zoneOfNode()).toBe('Asia/Makassar');
    const set = { COMPANY_TIMEZONE: 'Asia/Jayapura' };
    expect(await zoneOfCommands(set)).toBe('Asia/Jayapura');
    expect(await zoneOfNode(set)).toBe('Asia/Jayapura');
    const { policies } = (await loadNodeState(dataDir, sealer(), { zone: 'Asia/Jakarta', zoneIsSet: true }))!;
    expect(policies.current.zone, 'set on this machine it wins over the disk').toBe('Asia/Jakarta');
  });
});
