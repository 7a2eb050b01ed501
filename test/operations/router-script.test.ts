import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidInput } from '#domain/errors';
import { addNas } from '#operations/add-nas';
import { type RouterScriptInput, routerScript, routerString } from '#operations/router-script';
import { showRouterScript } from '#operations/show-router-script';
import { listAudit } from '#storage/log-lists';
import { SecretsFault } from '#storage/secrets';
import { faults, testDesk } from '#test/operations/desk';

const input: RouterScriptInput = {
  nas: { name: 'tower-north', secret: 'a-long-random-secret-of-32-signs', coaPort: 3799 },
  server: { address: '10.0.0.2', authPort: 1812, acctPort: 1813 },
  portal: { address: '10.0.0.3', url: 'http://10.0.0.3:3000' },
  version: 7,
  walledGarden: ['app.midtrans.com', '*.xendit.co', '203.0.113.0/24'],
};

/** Reads a RouterOS string as the router would: `\XX` is an octet. */
function readString(quoted: string): string {
  const body = quoted.slice(1, -1);
  const octets: number[] = [];
  for (let i = 0; i < body.length; i++) {
    if (body[i] === '\\') {
      octets.push(Number.parseInt(body.slice(i + 1, i + 3), 16));
      i += 2;
    } else octets.push(body.charCodeAt(i));
  }
  return Buffer.from(octets).toString('utf8');
}

/** The script with every string emptied: what is left is what the router would execute. */
const skeleton = (script: string) => script.replace(/"[^"]*"/g, '""');

describe('the script that sets a MikroTik up', () => {
  test('has the router ask us, listen for CoA, and lead subscribers without a package to the portal', () => {
    const script = routerScript(input);
    expect(script).toContain('address=10.0.0.2 secret="a-long-random-secret-of-32-signs" authentication-port=1812');
    expect(script).toContain('timeout=3s');
    expect(script).toContain('/radius incoming set accept=yes port=3799');
    expect(script).toContain('to-addresses=10.0.0.3 to-ports=3000');
    expect(script).toContain('/ip firewall address-list add list=walled-garden address=app.midtrans.com');
    expect(script).toContain('type=FWD name=xendit.co match-subdomain=yes address-list=walled-garden');
  });

  test('of several nodes asks each in its order without waiting long, and takes CoA from all of them', () => {
    const script = routerScript({ ...input, server: { ...input.server, others: ['10.0.0.12', 'fd00::2'] } });
    const asked = script.split('\n').filter((line) => line.startsWith('/radius add'));
    expect(asked.map((line) => /address=(\S+).*timeout=(\S+)/.exec(line)!.slice(1))).toEqual([
      ['10.0.0.2', '1s'],
      ['10.0.0.12', '1s'],
      ['fd00::2', '1s'],
    ]);
    for (const address of ['10.0.0.2', '10.0.0.12']) {
      expect(script).toContain(`chain=input src-address=${address} protocol=udp dst-port=3799 action=accept`);
    }
    const hostile = { ...input, server: { ...input.server, others: ['10.0.0.12; /quit'] } };
    expect(() => routerScript(hostile)).toThrow('server address "10.0.0.12; /quit" is not an IP address');
  });

  test('puts the way to the garden above what rejects, and the rejects before anything else of the router', () => {
    const lines = routerScript(input).split('\n');
    const at = (part: string) => lines.findIndex((line) => line.includes(part));
    expect(at('dst-address-list=walled-garden action=accept')).toBeLessThan(at('reject-with=tcp-reset'));
    expect(at('reject-with=tcp-reset')).toBeLessThan(at('/ip firewall filter move [find comment="gerbang"]'));
  });

  test('lets a line that is open to pay pass like one with a package: it meets no rule but to keep its address to the portal', () => {
    const rules = routerScript(input)
      .split('\n')
      .filter((line) => / add chain=/.test(line));
    expect(rules.filter((line) => line.includes('prepaid-active'))).toEqual([]);
    expect(rules.filter((line) => line.includes('prepaid-paying'))).toEqual([
      '/ip firewall nat add chain=srcnat src-address-list=prepaid-paying dst-address=10.0.0.3 action=accept comment="gerbang"',
    ]);
    expect(routerScript(input)).toMatch(
      /find src-address-list="prepaid-active".*CHECK: .*let them name prepaid-paying too/,
    );
  });

  test('for RouterOS 6 uses no command that only 7 knows', () => {
    const script = routerScript({ ...input, version: 6 });
    expect(script).not.toMatch(/^\/ipv6|type=FWD|match-subdomain/m);
    expect(script).toContain('# RouterOS 6 has no wildcards');
  });

  test.each([
    'quote " end',
    'a"; /user add name=evil group=full password=x; :put "',
    '$[/system reboot]',
    'line\n/system reset-configuration',
    'back\\',
    'Menara Utara é ✓ ?',
    '[/file remove [find]]',
    '\r\0\t{}',
  ])('a secret or name like %j is inserted as it is and executes nothing', (hostile) => {
    const script = routerScript({ ...input, nas: { ...input.nas, name: hostile, secret: hostile } });
    const heading = /^# Gerbang: .*$/m;
    const plain = skeleton(routerScript(input)).replace(heading, '');
    expect(skeleton(script).replace(heading, '')).toBe(plain);
    expect(script.split('\n')[0]).toMatch(/^# Gerbang: [\w .:,-]*$/);
    expect(readString(/secret=("[^"]*")/.exec(script)?.[1] ?? '')).toBe(hostile);
  });

  test('every string survives quoting, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(routerString(text)).toMatch(/^"(?:[A-Za-z0-9 ._:/@+,-]|\\[0-9A-F]{2})*"$/);
        expect(readString(routerString(text))).toBe(Buffer.from(text, 'utf8').toString('utf8'));
      }),
      { numRuns: 500 },
    );
  });

  test('every wrong address, port and host name is named at once, and no script is made', () => {
    const wrong: RouterScriptInput = {
      ...input,
      nas: { ...input.nas, coaPort: 0 },
      server: { ...input.server, address: '10.0.0.2 disabled=yes' },
      portal: { address: 'portal.example.com', url: 'no url' },
      walledGarden: ['ok.example.com', 'evil.com comment=x', '10.0.0.0/33', '*.'],
    };
    const faults = (() => {
      try {
        routerScript(wrong);
        return [];
      } catch (error) {
        return error instanceof InvalidInput ? error.faults : [];
      }
    })();
    expect(faults).toHaveLength(7);
  });
});

test('nobody gets the script of a router without a row in the audit; who was refused got none', async () => {
  const desk = await testDesk();
  const { nas, ...rest } = input;
  const { id } = await addNas(desk, { ...nas, address: '10.20.0.1' });
  const asked = async () => listAudit(desk.db, { why: 'show router script', limit: 9 });
  expect(await faults(showRouterScript(desk, { name: 'hill' }, rest))).toEqual([
    'there is no NAS "hill"; there are: tower-north',
  ]);
  expect(await faults(showRouterScript(desk, { id }, { ...rest, walledGarden: ['*.'] }))).toHaveLength(1);
  expect(await asked()).toEqual([]);
  expect(await showRouterScript({ ...desk, actor: 'staff:andi' }, { id }, rest)).toBe(routerScript(input));
  expect(await showRouterScript({ ...desk, actor: 'cli:root' }, { name: 'tower-north' }, rest)).toContain(nas.secret);
  const rows = await asked();
  expect(rows).toMatchObject([
    { actor: 'cli:root', detail: { id, name: 'tower-north' } },
    { actor: 'staff:andi', detail: { id, name: 'tower-north' } },
  ]);
  expect(JSON.stringify(rows)).not.toContain(nas.secret);
});

test('a secret that cannot be opened is no script with another secret in it', async () => {
  const desk = await testDesk();
  const { nas, ...rest } = input;
  const { id } = await addNas(desk, { ...nas, address: '10.20.0.1' });
  await addNas(desk, { name: 'hill', address: '10.20.0.2', secret: 'generate' });
  await desk.db.execute(
    "update nas set secret_sealed = (select secret_sealed from nas where name = 'hill') where id = $1",
    [id],
  );
  await expect(showRouterScript(desk, { id }, rest)).rejects.toThrow(SecretsFault);
});
