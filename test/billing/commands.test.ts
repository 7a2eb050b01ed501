import { beforeAll, expect, test } from 'vitest';
import { localDate } from '#domain/time';
import { testDatabase } from '#test/support/database';
import { environment, gerbang, newDataDir } from '#test/system/node';

let env: Record<string, string>;
beforeAll(async () => {
  env = environment(newDataDir(), { DATABASE_URL: (await testDatabase()).url });
});

async function run(words: string): Promise<string> {
  const ran = await gerbang(env, words.split(' '));
  if (ran.code !== 0) throw new Error(`gerbang ${words}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout.trim();
}
const refused = async (words: string) => (await gerbang(env, words.split(' '))).stderr.trim();

test('subscription: start, change with its price shown first, show and end', async () => {
  await run('plan add --name home20 --down 20M --up 5M --period month --price 300000');
  await run('plan add --name home50 --down 50M --up 5M --period month --price 450000');
  await run('subscriber add --username budi --password rahasia --billing postpaid');
  expect(await refused('subscription start --username budi --plan home99 --billing-day 1')).toBe(
    'there is no plan "home99"; there are: home20, home50',
  );
  expect(await refused('subscription start --username budi --plan home20 --billing-day 40')).toMatch(
    /^--billing-day "40" is not usable; give a day of the month/,
  );
  const today = localDate(Date.now(), 'Asia/Jakarta');
  expect(await run('subscription start --username budi --plan home20')).toMatch(
    new RegExp(`^budi has a subscription to home20 from ${today}; the next invoice is on `),
  );
  const shown = await run('subscription change --username budi --plan home50');
  expect(shown).toMatch(/^Now: home20 until .*\nNew: home50 until .*; next invoice .*: Rp 450\.000\./);
  const total = /--accept (\d+)$/.exec(shown)![1]!;
  expect(await refused('subscription change --username budi --plan home50 --accept 1')).toMatch(
    /^the price of this change is Rp [\d.]+ by now; look at it again$/,
  );
  expect(await run(`subscription change --username budi --plan home50 --accept ${total}`)).toMatch(
    /^Ordered \(P-\w{8}\): home50 begins when Rp [\d.]+ is paid; see: purchase settle$/,
  );
  const listed = await run('subscription show budi');
  expect(listed).toMatch(/^home20, billed on day \d+; covered up to and with \d{4}-\d\d-\d\d; next invoice /);
  expect(listed).toMatch(/^INV-\d{4}-001 .*Rp 300\.000 +unpaid$/m);
  expect(await run('subscription end --username budi --now')).toMatch(
    /^The subscription of budi to home20 is ended: the line is covered until .*; Rp [\d.]+ became credit\.$/,
  );
  expect(await run('subscription show budi')).toMatch(/^None\. The last one, to home20, was ended .* by cli:/);
  expect(await refused('subscription end --username budi')).toBe('budi has no subscription');
}, 120_000);
