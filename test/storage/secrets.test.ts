import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holdsSecrets, resealAll, sealedOtherwise } from '#storage/reseal';
import {
  addMasterKey,
  createMasterKey,
  dropOldMasterKeys,
  keyIdOf,
  loadMasterKey,
  nasSecretAad,
  SecretsFault,
  SecretText,
  subscriberPasswordAad,
} from '#storage/secrets';
import { testDatabase } from '#test/support/database';
import { temporaryFolder } from '#test/support/holder';

function newKeyFile(): string {
  const file = join(temporaryFolder(), 'master.key');
  createMasterKey(file);
  return file;
}

test('what was sealed opens again, and never seals to the same bytes twice', () => {
  const sealer = loadMasterKey(newKeyFile());
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(), (plain, id) => {
      const aad = subscriberPasswordAad(id);
      const sealed = sealer.seal(plain, aad);
      expect(sealer.open(sealed, aad)).toBe(plain);
      expect(sealer.seal(plain, aad).equals(sealed)).toBe(false);
    }),
  );
});

test('sealed bytes moved to another row or column do not open', () => {
  const sealer = loadMasterKey(newKeyFile());
  const sealed = sealer.seal('rahasia', subscriberPasswordAad(1));
  expect(() => sealer.open(sealed, subscriberPasswordAad(2))).toThrow(/altered or belong to another row/);
  expect(() => sealer.open(sealed, nasSecretAad(1))).toThrow(SecretsFault);
});

test('no octet of sealed bytes can be changed, nor any cut off, unnoticed', () => {
  const sealer = loadMasterKey(newKeyFile());
  const sealed = sealer.seal('rahasia', subscriberPasswordAad(1));
  for (let at = 0; at < sealed.length; at += 1) {
    const altered = Buffer.from(sealed);
    altered[at]! ^= 1;
    expect(() => sealer.open(altered, subscriberPasswordAad(1)), `octet ${at}`).toThrow(SecretsFault);
    expect(() => sealer.open(sealed.subarray(0, at), subscriberPasswordAad(1)), `${at} octets`).toThrow(SecretsFault);
  }
});

test("another database's key file is told as such", () => {
  const sealed = loadMasterKey(newKeyFile()).seal('rahasia', nasSecretAad(3));
  const other = newKeyFile();
  expect(() => loadMasterKey(other).open(sealed, nasSecretAad(3))).toThrow(
    /^nas\.secret_sealed:3 is sealed under key [0-9a-f]{8}, but .*master\.key holds [0-9a-f]{8}: it is not the master key file of this database$/,
  );
});

test('the key file is made for its owner alone, never replaced, and refused when others may read it', () => {
  const file = newKeyFile();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(() => createMasterKey(file)).toThrow(/EEXIST/);
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(file, mode);
    expect(() => loadMasterKey(file)).toThrow(`the master key file ${file} is open to others: chmod 600 ${file}`);
  }
});

test('a missing or damaged key file is told without showing what is in it', () => {
  const file = newKeyFile();
  const key = readFileSync(file, 'utf8').trim().split('\n').at(-1)!;
  writeFileSync(file, `${key.slice(1)}\n`);
  expect(() => loadMasterKey(file)).toThrow(new SecretsFault(`${file}: key 1 is not 64 hexadecimal digits`));
  writeFileSync(file, '# nothing\n');
  expect(() => loadMasterKey(file)).toThrow('holds no key');
  expect(() => loadMasterKey(`${file}.none`)).toThrow(/cannot be read: ENOENT/);
});

test('a plaintext on its way, and a sealer with its keys, print as nothing', () => {
  const file = newKeyFile();
  const key = readFileSync(file, 'utf8').trim().split('\n').at(-1)!;
  const secret = new SecretText('canary-5520');
  const printed = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret, deep: [secret] }, { depth: 9, showHidden: true }),
    inspect(loadMasterKey(file), { depth: 9, showHidden: true }),
    JSON.stringify(loadMasterKey(file)),
  ].join('\n');
  expect(printed).not.toContain('canary-5520');
  expect(printed).not.toContain(key);
  expect(printed).toContain('[secret]');
  expect(secret.reveal()).toBe('canary-5520');
});

test('the key is changed while a server runs: no secret is ever unreadable, none stays under the old key', async () => {
  const db = await testDatabase();
  const file = newKeyFile();
  const server = loadMasterKey(file);
  expect(await holdsSecrets(db)).toBe(false);
  const ids = Array.from({ length: 2_500 }, (_, index) => index + 1);
  await db.query(
    `insert into subscriber (id, username, password_sealed) overriding system value
     select * from unnest($1::bigint[], $2::text[], $3::bytea[])`,
    [ids, ids.map((id) => `user${id}`), ids.map((id) => server.seal(`pw${id}`, subscriberPasswordAad(id)))],
  );
  await db.query(
    "insert into nas (id, name, address, secret_sealed) overriding system value values (7, 'n', '10.0.0.1', $1)",
    [server.seal('s3cret', nasSecretAad(7))],
  );
  expect(await holdsSecrets(db)).toBe(true);

  addMasterKey(file);
  const command = loadMasterKey(file);
  expect(await sealedOtherwise(db, command)).toBe(2_501);
  const interrupted = resealAll(db, command, () => {
    throw new Error('killed');
  });
  await expect(interrupted).rejects.toThrow('killed');
  expect(await sealedOtherwise(db, command), 'half done').toBe(1_501);
  const readable = async (id: number) => {
    const [row] = await db.query<{ sealed: Buffer }>('select password_sealed as sealed from subscriber where id = $1', [
      id,
    ]);
    return server.open(row!.sealed, subscriberPasswordAad(id));
  };
  expect([await readable(1), await readable(2_500)]).toEqual(['pw1', 'pw2500']);

  let meanwhile: Promise<unknown> | undefined;
  const sealed = await resealAll(db, command, () => {
    meanwhile ??= db.query('update subscriber set password_sealed = $1 where id = 2400', [
      server.seal('changed meanwhile', subscriberPasswordAad(2_400)),
    ]);
  });
  await meanwhile;
  await resealAll(db, command);
  expect(sealed, 'it went on where it was').toBeGreaterThanOrEqual(1_500);
  expect(sealed).toBeLessThanOrEqual(1_502);
  expect(await sealedOtherwise(db, command)).toBe(0);
  dropOldMasterKeys(file);
  expect(await readable(2_400)).toBe('changed meanwhile');
  expect(loadMasterKey(file).open((await nasSecret(db))!, nasSecretAad(7))).toBe('s3cret');
});

test('a sealer that is running seals under an added key a second later', async () => {
  const file = newKeyFile();
  const server = loadMasterKey(file);
  const before = keyIdOf(server.seal('x', nasSecretAad(1)));
  addMasterKey(file);
  await expect.poll(() => keyIdOf(server.seal('x', nasSecretAad(1))), { timeout: 30_000 }).not.toBe(before);
});

async function nasSecret(db: Awaited<ReturnType<typeof testDatabase>>): Promise<Buffer | undefined> {
  return (await db.query<{ sealed: Buffer }>('select secret_sealed as sealed from nas where id = 7'))[0]?.sealed;
}
