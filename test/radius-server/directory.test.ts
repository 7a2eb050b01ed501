import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Facts } from '#domain/facts';
import { defaultPolicy, FALLBACK } from '#domain/policy';
import { bucketOf, onlyPolicy } from '#domain/rollout';
import { DAY, NEVER } from '#domain/time';
import { Directory, type DirectoryEntry } from '#radius/directory';
import { decodeChunk, encodeChunk, readDirectoryFile, writeDirectoryFile } from '#radius/directory-file';
import { PlanShelf, packFacts, unpackFacts } from '#radius/packed-facts';
import { replyAttributes } from '#radius/reply';
import { encodeAttributes } from '#radius/template';
import { entry, HOME_20, NOON } from '#test/radius-server/harness';

const NAS = { id: 1, facts: { name: 'pop-1', tags: [], vendor: 'mikrotik' } } as const;

const counted = (): { directory: Directory; decisions: () => number } => {
  let decisions = 0;
  const directory = new Directory((facts, policy, at) => {
    decisions += 1;
    return decide(facts, policy, at);
  });
  directory.setPolicies(onlyPolicy(defaultPolicy('Asia/Jakarta')));
  return { directory, decisions: () => decisions };
};

const ended = (username: string, version: number): DirectoryEntry => {
  const [grant] = entry(username, '').facts.grants;
  return entry(username, 'pw', { version, grants: [{ ...grant!, until: NOON - DAY }] });
};

const listOf = (directory: Directory, username: string, at = NOON): string | null => {
  const subscriber = directory.find(username);
  if (subscriber === undefined) return null;
  const octets = directory.answer(subscriber, NAS, at)?.octets.toString('latin1') ?? 'denied';
  return /prepaid-(?:active|no-package)/.exec(octets)?.[0] ?? octets;
};

describe('the directory', () => {
  test('a decision is made once and holds until its end, new facts or a new policy', () => {
    const { directory, decisions } = counted();
    directory.put([entry('demo', 'pw')]);
    for (let i = 0; i < 100; i += 1) listOf(directory, 'demo', NOON + i * 1000);
    expect(decisions()).toBe(1);
    directory.put([entry('demo', 'pw', { version: 2 })]);
    listOf(directory, 'demo');
    expect(decisions()).toBe(2);
    directory.setPolicies(onlyPolicy(defaultPolicy('Asia/Jakarta')));
    listOf(directory, 'demo');
    expect(decisions()).toBe(3);
    expect(listOf(directory, 'demo', NOON + 10 * DAY)).toBe('prepaid-no-package');
    expect(decisions()).toBe(4);
  });

  test('while a policy takes the place of another each is answered by theirs, and by nothing else once it is done', () => {
    const { directory } = counted();
    const names = Array.from({ length: 200 }, (_, at) => `line-${at}`);
    directory.put(names.map((name, at) => entry(name, 'pw', { subscriberId: at + 1 })));
    const current = defaultPolicy('Asia/Jakarta');
    const policy = { ...current, rules: [{ name: 'all', when: { is: 'all', of: [] }, give: FALLBACK } as const] };
    const inShare = (share: number) => {
      directory.setPolicies({ current, rollout: { policy, share, salt: 77 } });
      return names.filter((name) => listOf(directory, name) === 'prepaid-no-package');
    };
    for (const share of [0, 0.25, 0.6, 1, 0.25, 0])
      expect(inShare(share)).toEqual(names.filter((_name, at) => bucketOf(at + 1, 77) < share));
    directory.setPolicies(onlyPolicy(policy));
    expect(new Set(names.map((name) => listOf(directory, name)))).toEqual(new Set(['prepaid-no-package']));
  });

  test('a clock that is set back makes it decide anew: nobody stays expired by a wrong hour', () => {
    const { directory } = counted();
    directory.put([entry('demo', 'pw')]);
    expect(listOf(directory, 'demo', NOON + 11 * DAY)).toBe('prepaid-no-package');
    expect(listOf(directory, 'demo', NOON)).toBe('prepaid-active');
  });

  test('subscribers with equal outcomes share one reply', () => {
    const { directory } = counted();
    const names = Array.from({ length: 1000 }, (_, i) => `u${i}`);
    directory.put(names.map((name) => entry(name, 'pw')));
    const answers = new Set(names.map((name) => directory.answer(directory.find(name)!, NAS, NOON)));
    expect(answers.size).toBe(1);
  });

  test('outcomes that differ in anything a router is told do not share one', () => {
    const { directory } = counted();
    directory.put([entry('demo', 'pw'), entry('fixed', 'pw', {}, { staticIp: '10.0.0.7' })]);
    const give = {
      access: 'full',
      rate: { is: 'plan' },
      addressList: 'a',
      profile: null,
      pool: 'pool-1',
      idleSeconds: null,
      interimSeconds: 300,
      attributes: [],
    } as const;
    const variants = [
      give,
      { ...give, addressList: 'b' },
      { ...give, rate: { is: 'share', share: 0.5 } as const },
      { ...give, profile: { is: 'named', name: 'p' } as const },
      { ...give, pool: 'pool-2' },
      { ...give, idleSeconds: 600 },
      { ...give, interimSeconds: 600 },
      { ...give, attributes: [{ name: 'Filter-Id', value: 'x', vendor: null }] },
    ];
    const octets = variants.flatMap((variant) => {
      const rules = [{ name: 'all', when: { is: 'all', of: [] }, give: variant } as const];
      directory.setPolicies(onlyPolicy({ zone: 'Asia/Jakarta', rules }));
      return ['demo', 'fixed'].map((name) =>
        directory.answer(directory.find(name)!, NAS, NOON)!.octets.toString('hex'),
      );
    });
    // A line with an address of its own is told no pool, so two pools are one to it but for the Class.
    expect(new Set(octets).size).toBe(variants.length * 2);
  });

  test('an older load that arrives late changes nothing', () => {
    const { directory } = counted();
    directory.put([ended('demo', 5)]);
    directory.put([entry('demo', 'other', { version: 4 })]);
    expect(directory.find('demo')?.password).toBe('pw');
    expect(listOf(directory, 'demo')).toBe('prepaid-no-package');
    directory.put([entry('demo', 'new', { version: 6 })]);
    expect(directory.find('demo')?.password).toBe('new');
    expect(listOf(directory, 'demo')).toBe('prepaid-active');
  });

  test('of two loads of one version the one that knows more usage stays', () => {
    const limited = (chargedBytes: number): DirectoryEntry => {
      const [grant] = entry('demo', '').facts.grants;
      const plan = { ...HOME_20, allowanceBytes: 100 };
      return entry('demo', 'pw', { chargedBytes, grants: [{ ...grant!, plan, usedBytes: chargedBytes }] });
    };
    const { directory } = counted();
    directory.put([limited(100)]);
    directory.put([limited(99)]);
    expect(listOf(directory, 'demo')).toBe('prepaid-no-package');
  });

  test('one who is renamed is found by the new name alone, with their sessions; a name may go to another', () => {
    const { directory } = counted();
    directory.put([entry('old', 'pw', { subscriberId: 7 })]);
    directory.setSessions([
      { subscriberId: 7, sessions: [{ mac: 'AA:BB:CC:00:00:01', heardAt: NOON, interimSeconds: 300 }] },
    ]);
    directory.put([entry('new', 'pw', { subscriberId: 7, version: 2 })]);
    expect(directory.find('old')).toBeUndefined();
    expect(directory.isLimitReached(directory.find('new')!, -1, NOON)).toBe(true);
    directory.put([entry('old', 'pw8', { subscriberId: 8 })]);
    directory.forget([7]);
    expect([directory.find('new'), directory.find('old')?.id]).toEqual([undefined, 8]);
  });

  test('one who is put under the name of another and forgotten does not take the other along', () => {
    const { directory } = counted();
    directory.put([entry('demo', 'first', { subscriberId: 1 })]);
    directory.put([entry('demo', 'second', { subscriberId: 2 })]);
    directory.forget([1]);
    expect(directory.find('demo')?.password).toBe('second');
  });

  test('the encoded reply says what `explain` prints', () => {
    const { directory } = counted();
    const one = entry('demo', 'pw');
    directory.put([one]);
    const printed = replyAttributes(decide(one.facts, defaultPolicy('Asia/Jakarta'), NOON), one.line, NOON);
    const template = directory.answer(directory.find('demo')!, NAS, NOON)!;
    const constant = encodeAttributes(printed.filter(([name]) => name !== 'Session-Timeout'));
    expect(template.octets.subarray(template.octets[1]!)).toEqual(constant);
    expect(printed.at(-1)).toEqual(['Session-Timeout', '864000']);
  });
});

const instants = fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.constant(NEVER));
const someFacts: fc.Arbitrary<Facts> = fc.record({
  subscriberId: fc.nat(),
  username: fc.string({ minLength: 1, unit: 'grapheme' }),
  billing: fc.constantFrom('prepaid' as const, 'postpaid' as const),
  tags: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
  suspendedSince: fc.option(fc.integer({ min: 0, max: 4e12 })),
  owesSince: fc.option(fc.integer({ min: 0, max: 4e12 })),
  openings: fc.array(fc.integer({ min: 0, max: 4e12 }), { maxLength: 3 }),
  grants: fc.array(
    fc.record({
      id: fc.nat(),
      plan: fc.constantFrom(HOME_20, { ...HOME_20, revisionId: 2, allowanceBytes: 2 ** 40 }),
      from: fc.integer({ min: 0, max: 4e12 }),
      until: instants,
      usedBytes: fc.maxSafeNat(),
      metered: fc.option(
        fc.record({ lastAt: fc.nat(4e12), bases: fc.array(fc.maxSafeNat(), { minLength: 6, maxLength: 6 }) }),
      ),
    }),
    { maxLength: 4 },
  ),
  chargedBytes: fc.maxSafeNat(),
  nas: fc.constant(null),
  version: fc.nat(),
});

describe('facts at rest', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(someFacts, (facts) => {
        const plans = new PlanShelf();
        const { subscriberId, username, version, nas, ...rest } = facts;
        expect(unpackFacts(packFacts(facts, plans), plans)).toEqual(rest);
        expect([subscriberId, username, version, nas]).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  test('and through a chunk of the copy on disk', () => {
    fc.assert(
      fc.property(fc.array(someFacts, { maxLength: 5 }), (many) => {
        const entries = many.map((facts): DirectoryEntry => ({ ...entry('x', 'p\nw"€'), facts }));
        expect(decodeChunk(encodeChunk(entries))).toEqual(entries);
      }),
      { numRuns: 100 },
    );
  });
});

describe('the copy on disk', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'directory-'));
    path = join(folder, 'directory');
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Stands for the master key: what is sealed for another place does not open. */
  const seal = (plain: Buffer, boundTo: string): Buffer => Buffer.from(`${boundTo}|${plain.toString('base64')}`);
  const unseal = (sealed: Buffer, boundTo: string): Buffer => {
    const [place, text] = sealed.toString().split('|');
    if (place !== boundTo) throw new Error('sealed for another place');
    return Buffer.from(text!, 'base64');
  };
  async function* chunks(...parts: DirectoryEntry[][]): AsyncGenerator<Buffer> {
    for (const part of parts) yield encodeChunk(part);
  }
  const load = async (): Promise<DirectoryEntry[]> => {
    const entries: DirectoryEntry[] = [];
    for await (const chunk of readDirectoryFile(path, unseal)) entries.push(...decodeChunk(chunk));
    return entries;
  };

  test('gives back every entry; it is for its owner alone and holds no password in clear', async () => {
    const many = Array.from({ length: 2500 }, (_, i) => entry(`u${i}`, `canary-${i}`));
    await writeDirectoryFile(path, chunks(many.slice(0, 1000), many.slice(1000, 2000), many.slice(2000)), seal);
    expect(await load()).toEqual(many);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readFile(path)).includes('canary-7')).toBe(false);
  });

  test('a file that was cut is good up to there, one that is not there is empty, and moved chunks do not open', async () => {
    expect(await load()).toEqual([]);
    await writeDirectoryFile(path, chunks([entry('a', '1')], [entry('b', '2')]), seal);
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length - 5));
    expect((await load()).map(({ facts }) => facts.username)).toEqual(['a']);
    const first = 4 + whole.readUInt32LE(0);
    await writeFile(path, Buffer.concat([whole.subarray(first), whole.subarray(0, first)]));
    await expect(load()).rejects.toThrow('another place');
  });

  test('a failed writing leaves the file as it was', async () => {
    await writeDirectoryFile(path, chunks([entry('a', '1')]), seal);
    const failing = (async function* () {
      yield encodeChunk([entry('b', '2')]);
      throw new Error('the worker is gone');
    })();
    await expect(writeDirectoryFile(path, failing, seal)).rejects.toThrow('gone');
    expect((await load()).map(({ facts }) => facts.username)).toEqual(['a']);
  });

  test('what comes from disk answers until the database speaks, which then has the last word', () => {
    const { directory } = counted();
    directory.putFromDisk([entry('stays', 'old'), entry('goes', 'old'), entry('changes', 'old', { version: 3 })]);
    expect(directory.complete).toBe(false);
    expect(listOf(directory, 'goes')).toBe('prepaid-active');
    directory.put([entry('stays', 'old'), entry('changes', 'new', { version: 4 })]);
    directory.putFromDisk([entry('changes', 'older', { version: 9 })]);
    directory.snapshotDone();
    expect([...directory.entries()].map(({ facts, password }) => [facts.username, password])).toEqual([
      ['stays', 'old'],
      ['changes', 'new'],
    ]);
  });

  test('what is exported can be put again', () => {
    const { directory } = counted();
    const many = Array.from({ length: 100 }, (_, i) => entry(`u${i}`, `p${i}`));
    directory.put(many);
    expect([...directory.entries()]).toEqual(many);
  });
});
