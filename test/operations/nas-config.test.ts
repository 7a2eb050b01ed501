import { describe, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { editNas } from '#operations/edit-nas';
import { nasConfig } from '#operations/nas-config';
import { routerScript } from '#operations/router-script';
import { showRouterScript } from '#operations/show-router-script';
import { loadNases } from '#storage/facts';
import { findNas } from '#storage/nas';
import { faults, testDesk } from '#test/operations/desk';

const input = {
  nas: { name: 'bras 1\n[core]', secret: 'a-long-random-secret-of-32-signs', coaPort: 3799 },
  server: { address: '10.0.0.2', authPort: 1812, acctPort: 1813 },
  portal: { address: '10.0.0.3', url: 'http://10.0.0.3:3000' },
  version: 7,
  walledGarden: [],
} as const;
const refusal = (secret: string): string => {
  try {
    return nasConfig('accel-ppp', { ...input, nas: { ...input.nas, secret } });
  } catch (error) {
    return (error as Error).message;
  }
};

describe('what is entered at a NAS', () => {
  test('a MikroTik has its script', () => {
    const named = { ...input, nas: { ...input.nas, name: 'tower' } };
    expect(nasConfig('mikrotik', named)).toBe(routerScript(named));
  });

  test('accel-ppp has its sections, with us as server of RADIUS and as who may send CoA', () => {
    const lines = nasConfig('accel-ppp', input).split('\n');
    expect(lines).toContain(
      'server=10.0.0.2,a-long-random-secret-of-32-signs,auth-port=1812,acct-port=1813,req-limit=0,fail-timeout=0,max-fail=0',
    );
    expect(lines).toContain('dae-server=0.0.0.0:3799,a-long-random-secret-of-32-signs');
    expect(lines).toContain('attr=Filter-Id');
    // A name opens no section of its own.
    expect(lines.filter((line) => line.startsWith('['))).toEqual(['[modules]', '[radius]', '[shaper]']);
    expect(lines).toContain('nas-identifier=bras_1__core_');
  });

  test('of several nodes each make is told all: asked, and let in with CoA', () => {
    const several = { ...input, server: { ...input.server, others: ['10.0.0.12'] } };
    const lines = nasConfig('accel-ppp', several).split('\n');
    expect(lines.filter((line) => line.startsWith('server=')).map((line) => line.split(',').at(0))).toEqual([
      'server=10.0.0.2',
      'server=10.0.0.12',
    ]);
    // One line: accel-ppp takes the last of several.
    expect(lines.filter((line) => line.startsWith('dae-allowed='))).toEqual(['dae-allowed=10.0.0.2,10.0.0.12']);
    const words = nasConfig('generic', several);
    expect(words).toMatch(/authentication server +10\.0\.0\.2 port 1812, then 10\.0\.0\.12 port 1812\n/);
    expect(words).toContain('accept from 10.0.0.2 and 10.0.0.12 at port');
  });

  test.each(['with,comma-and-more', 'with space in it', 'with#comment-sign', 'with-é-in-it-too'])(
    'accel-ppp cannot read the secret %s, and that is said',
    (secret) => expect(refusal(secret)).toMatch(/character that accel-ppp cannot read/),
  );

  test('of any other make the words to enter are said', () => {
    expect(nasConfig('generic', input)).toMatch(/authentication server +10\.0\.0\.2 port 1812\n/);
    expect(() => nasConfig('generic', { ...input, server: { ...input.server, address: 'x' } })).toThrow(/not an IP/);
  });
});

describe('the make of a NAS', () => {
  test('is MikroTik unless said otherwise, can be changed, and is what the script goes by', async () => {
    const desk = await testDesk();
    const { id } = await addNas(desk, { name: 'bras', address: '10.1.0.1', secret: 'generate' });
    expect((await findNas(desk.db, { id }))!.vendor).toBe('mikrotik');
    expect(await editNas(desk, { id, vendor: 'accel-ppp' })).toMatchObject({ changed: ['vendor'] });
    expect((await loadNases(desk.db, desk.sealer))[0]!.vendor).toBe('accel-ppp');
    expect(await showRouterScript(desk, { name: 'bras' }, input)).toContain('[shaper]');
    const fault = await faults(editNas(desk, { id, vendor: 'cisco' }));
    expect(fault).toEqual(['vendor "cisco" is not usable; give one of mikrotik, generic, accel-ppp']);
  });
});
