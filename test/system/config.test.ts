import { describe, expect, test } from 'vitest';
import { InvalidInput } from '#domain/errors';
import { readConfig } from '#policy-server/config';

function faultsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.faults;
    throw error;
  }
}

describe('the environment', () => {
  test('nothing set gives the documented defaults', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      databaseUrl: null,
      http: { host: '0.0.0.0', port: 3000 },
      publicUrl: 'http://localhost:3000',
      radius: { host: '0.0.0.0', authPort: 1812, acctPort: 1813 },
      zone: 'Asia/Jakarta',
      zoneIsSet: false,
      historyMonths: 13,
      logLevel: 'info',
    });
    expect(config.dataDir).toBe(`${process.cwd()}/data`);
    expect(config.masterKeyFile).toBe(`${process.cwd()}/data/master.key`);
    expect(config.radius.workers).toBeGreaterThan(0);
  });

  test('a zone that is set is told from the default, for what was saved in the settings gives way to it only', () => {
    expect(readConfig({ COMPANY_TIMEZONE: 'Asia/Jakarta' })).toMatchObject({ zone: 'Asia/Jakarta', zoneIsSet: true });
    expect(readConfig({ COMPANY_TIMEZONE: '' })).toMatchObject({ zone: 'Asia/Jakarta', zoneIsSet: false });
  });

  test('an empty value counts as unset, and a slash at the end of the web address goes', () => {
    const config = readConfig({ DATABASE_URL: '', RADIUS_WORKERS: '', PUBLIC_URL: 'https://portal.example.net/' });
    expect(config.databaseUrl).toBeNull();
    expect(config.publicUrl).toBe('https://portal.example.net');
  });

  test.each([
    [
      { HTTP_PORT: '80a' },
      'HTTP_PORT="80a" is not usable; allowed is a port from 1 to 65535 (0 = any free one), for example 3000',
    ],
    [
      { RADIUS_AUTH_PORT: '65536' },
      'RADIUS_AUTH_PORT="65536" is not usable; allowed is a port from 1 to 65535 (0 = any free one), for example 1812',
    ],
    [
      { RADIUS_WORKERS: '0' },
      'RADIUS_WORKERS="0" is not usable; allowed is a whole number from 1 to 64, for example 2',
    ],
    [
      { HISTORY_MONTHS: '0' },
      'HISTORY_MONTHS="0" is not usable; allowed is a whole number from 1 to 120, for example 13',
    ],
    [
      { COMPANY_TIMEZONE: 'WIB' },
      'COMPANY_TIMEZONE="WIB" is not usable; allowed is a zone of the tz database, for example Asia/Jakarta, Asia/Makassar or Asia/Jayapura',
    ],
    [
      { LOG_LEVEL: 'loud' },
      'LOG_LEVEL="loud" is not usable; allowed is one of trace, debug, info, warn, error, fatal, silent, for example info',
    ],
    [
      { PUBLIC_URL: 'portal.example.net' },
      'PUBLIC_URL="portal.example.net" is not usable; allowed is a web address, for example https://portal.example.net',
    ],
    [
      { DATABASE_URL: 'mysql://root:s3cret@db/gerbang' },
      'DATABASE_URL (its value is not shown) is not usable; allowed is the address of a PostgreSQL, for example postgres://gerbang:password@db.example.net:5432/gerbang',
    ],
    [
      { RADIUS_AUTH_PORT: '1813' },
      'RADIUS_ACCT_PORT=1813 is also RADIUS_AUTH_PORT; give each a port of its own, for example RADIUS_ACCT_PORT=1814',
    ],
    [
      { TRUSTED_PROXIES: '127.0.0.1' },
      'TRUSTED_PROXIES needs PUBLIC_URL: say where browsers reach the proxy, for example PUBLIC_URL=https://portal.example.net',
    ],
    [
      { HTTP_HOST: 'all of them' },
      'HTTP_HOST="all of them" is not usable; allowed is an address or name of this machine, for example 0.0.0.0 or 127.0.0.1',
    ],
  ])('%j is refused in one line that says what to write', (environment, line) => {
    expect(faultsOf(environment)).toEqual([line]);
  });

  test('proxies are believed once it is known where browsers reach them', () => {
    const proxied = { TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/24', PUBLIC_URL: 'https://portal.example.net' };
    expect(readConfig(proxied).trustedProxies).toEqual(['127.0.0.1', '10.0.0.0/24']);
    expect(readConfig({ PUBLIC_URL: 'https://portal.example.net' }).trustedProxies).toEqual([]);
  });

  test('all that is wrong is said at once', () => {
    const lines = faultsOf({ HTTP_PORT: '-1', RADIUS_WORKERS: 'many', LOG_LEVEL: 'x', COMPANY_TIMEZONE: '+07:00' });
    expect(lines.map((line) => line.split('=')[0])).toEqual([
      'HTTP_PORT',
      'RADIUS_WORKERS',
      'COMPANY_TIMEZONE',
      'LOG_LEVEL',
    ]);
  });
});

describe('the door for FreeRADIUS', () => {
  const token = 'a-token-of-20-characters';

  test('is closed without a token, and on this machine alone unless said otherwise', () => {
    expect(readConfig({}).aaa).toBeNull();
    expect(readConfig({ AAA_TOKEN: token }).aaa).toEqual({ host: '127.0.0.1', port: 8120, token });
    const elsewhere = readConfig({ AAA_TOKEN: token, AAA_HOST: '10.0.0.2', AAA_PORT: '9000' });
    expect(elsewhere.aaa).toEqual({ host: '10.0.0.2', port: 9000, token });
  });

  test('without a token its address means nothing, and a weak or wrong token is not shown', () => {
    expect(faultsOf({ AAA_PORT: '8120' })[0]).toContain('AAA_HOST and AAA_PORT need AAA_TOKEN');
    for (const wrong of ['short', 'x'.repeat(129), `${token}"`, `${token} x`, `${token}%{x}`]) {
      const [fault] = faultsOf({ AAA_TOKEN: wrong });
      expect(fault).toMatch(/^AAA_TOKEN \(its value is not shown\) is not usable; allowed is 20 to 128/);
      expect(fault).not.toContain(wrong);
    }
  });
});
