import { describe, expect, test } from 'vitest';
import { readSection } from '#domain/settings';
import { gardenHosts, gatewayHosts } from '#domain/walled-garden';
import { routerScript } from '#operations/router-script';

const gateways = (of: object) => readSection('gateways', of);
const both = gateways({ midtrans: { active: true, production: true }, xendit: { active: true } });

describe('what stays open without a package', () => {
  test('of a gateway that is switched off is nothing, of one that is on what its page needs, for practice or for real', () => {
    expect(gatewayHosts(gateways({}))).toEqual([]);
    const practice = gatewayHosts(gateways({ midtrans: { active: true } }));
    expect(practice).toContain('app.sandbox.midtrans.com');
    expect(practice).not.toContain('app.midtrans.com');
    const real = gatewayHosts(gateways({ midtrans: { active: true, production: true } }));
    expect(real).toContain('app.midtrans.com');
    expect(real.filter((host) => host.includes('sandbox'))).toEqual([]);
    expect(gatewayHosts(gateways({ xendit: { active: true } }))).toContain('checkout.xendit.co');
  });

  test('is joined with what the company adds, each once', () => {
    const walledGarden = { hosts: ['pay.example.net', 'app.midtrans.com'] };
    const hosts = gardenHosts({ gateways: both, walledGarden });
    expect(hosts).toEqual([...gatewayHosts(both), 'pay.example.net']);
    expect(gardenHosts({ gateways: gateways({}), walledGarden })).toEqual(walledGarden.hosts);
  });

  test('goes into the script of both versions of RouterOS, none of it as a wildcard', () => {
    for (const version of [6, 7] as const) {
      const script = routerScript({
        nas: { name: 'tower', secret: 'x', coaPort: 3799 },
        server: { address: '10.0.0.2', authPort: 1812, acctPort: 1813 },
        portal: { address: '10.0.0.2', url: 'http://10.0.0.2:3000' },
        version,
        walledGarden: gatewayHosts(both),
      });
      for (const host of gatewayHosts(both)) expect(script).toContain(`list=walled-garden address=${host} `);
      expect(script).not.toContain('match-subdomain');
    }
  });
});
