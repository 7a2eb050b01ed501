import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readRateLimit, readRouterExport } from '#operations/router-secrets';
import { readRsc } from '#operations/rsc';
import { printExport, type Wrap } from '#test/operations/rsc-printer';

const settingsOf = (text: string) =>
  readRsc(text).commands.map(({ settings }) =>
    Object.fromEntries([...settings].map(([key, value]) => [key, value.is === 'text' ? value.text : `(${value.is})`])),
  );

const V6 = `# aug/23/2023 04:23:18 by RouterOS 6.49.8
# software id = 1ULD-5FDY
#
# model = RouterBOARD 3011UiAS
/ppp profile
set *0 use-encryption=no
add local-address=10.10.1.1 name=10M-5M on-up=":lo\\
    cal nama \\"\\$user\\";\\r\\
    \\n:local remote [/ppp secret get [find name=\\$nama] remote];\\r\\
    \\n/tool fetch url=\\"https://x.example/bot\\\\E2\\\\9D\\";" rate-limit=\\
    "5M/10M 0/0 0/0 0/0 8 0/0" remote-address=pool1
/ppp secret
add caller-id=80:af:ca:8c:e1:92 comment="Md. Abdul \\\\ \\"Ahad\\"" name=fc21 \\
    password="a b\\$c\\3F\\C3\\A9" profile=10M-5M service=pppoe
add comment="two blanks at the break:\\
    \\_here" disabled=yes limit-bytes-in=0 name=\\
    budi@isp.example password=1q2w3e4r5T!@# remote-address=10.10.12.3
# a remark of the router
add !local-address name=vpn password=x profile=l2tpvpn service=l2tp
/system clock
set time-zone-name=Asia/Jakarta
`;

describe('reading what a router exports', () => {
  test('a normal export of v6: broken lines, quotes, octets, remarks, and other menus around', () => {
    const router = readRouterExport(V6);
    expect(router.version).toBe('6.49.8');
    expect(router.secrets).toEqual([
      {
        line: 13,
        username: 'fc21',
        password: 'a b$c?é',
        name: 'Md. Abdul \\ "Ahad"',
        mac: '80:AF:CA:8C:E1:92',
        staticIp: null,
        profile: '10M-5M',
        disabled: false,
      },
      {
        line: 15,
        username: 'budi@isp.example',
        password: '1q2w3e4r5T!@#',
        name: 'two blanks at the break: here',
        mac: null,
        staticIp: '10.10.12.3',
        profile: 'default',
        disabled: true,
      },
    ]);
    expect(router.otherServices).toEqual([{ line: 19, username: 'vpn', service: 'l2tp' }]);
    expect(router.problems).toEqual([]);
    expect(router.profiles.get('10M-5M')!.rate).toEqual({ downloadBps: 10e6, uploadBps: 5e6, burst: null });
  });

  test.each([
    ['a section line', '/ppp secret\nadd name=a password=b\nadd name=c password=d\n'],
    ['terse', '/ppp secret add name=a password=b\n/ppp secret add name=c password=d\n'],
    ['with slashes, as v7 takes it', '/ppp/secret\nadd name=a password=b\nadd name=c password=d'],
    ['terse with slashes', '/ppp/secret/add name=a password=b\r\n/ppp/secret/add name=c password=d\r\n'],
    ['steps down', '/ppp\nsecret add name=a password=b\nsecret\nadd name=c password=d'],
    ['on one line', '/ppp secret; add name=a password=b; add name=c password=d'],
    [
      'with a byte order mark and blanks',
      '\ufeff\n  /ppp secret\n\tadd   name=a \\\n  password=b\n\nadd name="c" password="d"',
    ],
  ])('a section can be written %s', (_how, text) => {
    const { secrets, problems } = readRouterExport(text);
    expect(secrets.map(({ username, password }) => [username, password])).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(problems).toEqual([]);
  });

  test('an export that hides passwords has none, and an empty one is none', () => {
    const { secrets } = readRouterExport(
      '/ppp secret\nadd name=a service=pppoe\nadd name=b password="" service=pppoe\n',
    );
    expect(secrets.map(({ password }) => password)).toEqual([null, null]);
  });

  test('a verbose export says all there is, also what is not so', () => {
    const { secrets, profiles, notes } = readRouterExport(
      [
        '/ppp profile',
        'set *0 change-tcp-mss=yes name=default rate-limit=1M/2M',
        'set *FFFFFFFE rate-limit=3M/4M',
        'set [ find name=other ] rate-limit=5M/6M',
        '/ppp secret',
        'add caller-id="" disabled=no limit-bytes-in=0 !local-address name=a password=p routes="" service=any',
      ].join('\n'),
    );
    expect(secrets).toMatchObject([{ username: 'a', mac: null, disabled: false, profile: 'default' }]);
    expect([...profiles.values()].map(({ name, rate }) => [name, rate!.downloadBps])).toEqual([
      ['default', 2e6],
      ['default-encryption', 4e6],
    ]);
    expect(notes).toEqual([{ line: 4, reason: 'the rate-limit of this profile is not understood' }]);
  });

  test('a compact export names the built-in profile by its number', () => {
    const { profiles } = readRouterExport('/ppp profile\nset *0 rate-limit=1M/2M\n');
    expect([...profiles.keys()]).toEqual(['default']);
  });

  test.each([
    ['"\\"\\\\\\$\\?"', '"\\$?'],
    ['"\\n\\r\\t\\_x"', '\n\r\t x'],
    ['"\\C3\\A9"', 'é'],
    // An octet is written in capitals; small letters are the escapes of their own.
    ['"\\fab\\aa"', '\fab\u0007a'],
    ['a\\_b', 'a b'],
    ['"{x}"', '{x}'],
  ])('the value %s is read as it was meant', (written, value) => {
    expect(settingsOf(`/ppp secret\nadd comment=${written}`)).toEqual([{ comment: value }]);
  });

  test('what is there in vain, and what cannot be known, is told with its line', () => {
    const router = readRouterExport(
      [
        '/ppp secret',
        'set [find name=a] disabled=yes',
        'add name=$user password=x',
        'add name=b password="pa$word"',
        'add name=c password=($a . "b")',
        'add name=d password="\\E9t\\E9"',
        'add name="" password=x',
        'add name=e password=x caller-id=10.0.0.1',
        'add name=f password=x remote-address=224.0.0.1',
        'add name=g password=x name=h',
        'add name=i password=x',
        'add name=i password=x remote-address=10.0.0.9',
        'add name=j password=x remote-address=10.0.0.9',
        ':foreach s in=[/ppp secret find] do={',
        '  /ppp secret set $s profile=x',
        '}',
        ':delay 25s',
        'add name=k password=x remote-address=pool1 routes=10.9.0.0/24 comment="\\E9"',
        'add name=l password="never closed',
        'add name=m password=x',
      ].join('\n'),
    );
    expect(router.problems.map(({ line, reason }) => `${line}: ${reason}`)).toEqual([
      '2: "set" on /ppp secret is not understood: only lines of add are read',
      '3: name is an expression, which only a router can work out',
      '3: name: missing; give the PPPoE user name as the router sends it, at most 253 octets, for example budi.santoso',
      '4: password is an expression, which only a router can work out',
      '5: password is an expression, which only a router can work out',
      '6: password is not written in UTF-8; write it anew on the router',
      '7: name: missing; give the PPPoE user name as the router sends it, at most 253 octets, for example budi.santoso',
      '8: caller-id "10.0.0.1" is not usable; give a MAC address, for example AA:BB:CC:DD:EE:FF',
      '9: remote-address "224.0.0.1" is not usable; give one IPv4 address that a subscriber can have, for example 100.64.10.7',
      '10: name is there twice',
      '14: a script, which only a router can run; write the secrets out as lines of add',
      '19: a quote that is never closed; nothing after it was read',
      '12: name "i" is on line 11 already',
      '13: remote-address 10.0.0.9 is on line 12 already',
    ]);
    expect(router.notes.map(({ line, reason }) => `${line}: ${reason}`)).toEqual([
      '18: routes stays on the router: a line has no such thing here',
      '18: remote-address is the pool pool1: the line gets no fixed address; pools belong to the profile of the PPPoE server',
      '18: the comment is not written in UTF-8 and was read as Latin-1',
    ]);
  });

  test.each([
    ['10M/20M', { uploadBps: 10e6, downloadBps: 20e6, burst: null }],
    ['10M', { uploadBps: 10e6, downloadBps: 10e6, burst: null }],
    ['2560k/5M', { uploadBps: 2.56e6, downloadBps: 5e6, burst: null }],
    ['83886080/104857600', { uploadBps: 83_886_080, downloadBps: 104_857_600, burst: null }],
    ['5M/10M 0/0 0/0 0/0 8 0/0', { uploadBps: 5e6, downloadBps: 10e6, burst: null }],
    [
      '5M/10M 8M/20M 4M/8M 8/16',
      {
        uploadBps: 5e6,
        downloadBps: 10e6,
        burst: { uploadBps: 8e6, downloadBps: 20e6, thresholdUploadBps: 4e6, thresholdDownloadBps: 8e6, seconds: 16 },
      },
    ],
    [
      '5M/10M 8M/20M',
      {
        uploadBps: 5e6,
        downloadBps: 10e6,
        burst: { uploadBps: 8e6, downloadBps: 20e6, thresholdUploadBps: 5e6, thresholdDownloadBps: 10e6, seconds: 1 },
      },
    ],
    ['', null],
    ['0/0', null],
    ['fast', null],
  ])('rate-limit "%s" is read from the router side: first the upload', (text, rate) => {
    expect(readRateLimit(text)).toEqual(rate);
  });
});

describe('whatever a router may print', () => {
  const sign = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...'ab9 "\\$?[](){};#=/!,\n\r\t\'') },
    { weight: 2, arbitrary: fc.constantFrom('é', 'ß', '中', '😀', '\u0000', '\u0007', '\u001b') },
  );
  const value = fc.string({ unit: sign, maxLength: 60 });
  const secret = fc.record({ name: value, password: value, comment: value, profile: value });
  const wrap = fc.record({
    width: fc.integer({ min: 12, max: 200 }),
    terse: fc.boolean(),
    end: fc.constantFrom('\n', '\r\n'),
  });

  test('the same values are read from its export, however lines are broken', () => {
    fc.assert(
      fc.property(fc.array(secret, { maxLength: 6 }), wrap, (secrets, how: Wrap) => {
        expect(settingsOf(printExport('/ppp secret', secrets, how))).toEqual(secrets);
      }),
      { numRuns: 1_000 },
    );
  });

  test('whatever the text, it is read to the end or to where it breaks, without a throw', () => {
    const piece = fc.constantFrom(
      '# by RouterOS 7.1\n',
      '/ppp secret',
      'add',
      ' name=',
      '"',
      '\\',
      '\n',
      '[',
      ']',
      '{',
      '}',
      '(',
      ';',
      '#',
      '$',
      ':',
      '\\C3',
      '=',
      'x',
      ' ',
      '\r',
      '!',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
          fc.string(),
        ),
        (text) => {
          const lines = text.split('\n').length;
          const router = readRouterExport(text);
          expect([...router.problems, ...router.secrets].every(({ line }) => line >= 1 && line <= lines)).toBe(true);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test.each([
    '"',
    '[',
    '{',
    '\\',
    '\\\n',
    ';',
    'a',
    'a=',
    '"a"',
    'add name="',
    '[]',
    '$',
    '/',
    '\n/ppp secret add name=',
    '# ',
  ])('300,000 signs of %j take no longer than they should', (part) => {
    const text = `/ppp secret\nadd name=${part.repeat(Math.ceil(3e5 / part.length))}`;
    const began = process.cpuUsage();
    readRouterExport(text);
    expect(process.cpuUsage(began).user / 1000).toBeLessThan(5_000);
  });
});
