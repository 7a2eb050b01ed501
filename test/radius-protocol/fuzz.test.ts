import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { verifyCredential } from '#radius/credentials';
import { dump } from '#radius/dump';
import {
  Code,
  type FramingFault,
  Packet,
  verifyAccountingAuthenticator,
  verifyMessageAuthenticator,
  verifyReply,
  Writer,
} from '#radius/packet';
import { corpus, type Draft, mutator } from '#test/radius-protocol/mutations';
import { REQUEST_AUTHENTICATOR, randomFrom, secret } from '#test/radius-protocol/wire';

/** Mutated packets of one run; `RADIUS_FUZZ_SEED` begins another sequence. */
const COUNT = Number(process.env.RADIUS_FUZZ_PACKETS ?? 1_000_000);
const SEED = Number(process.env.RADIUS_FUZZ_SEED ?? 20_261_121);
const LONGEST_MS = 5;
const MOST_GROWTH_BYTES = 20_000_000;

const packet = new Packet();
const writer = new Writer();
const seen = new Map<FramingFault | 'parsed' | 'accepted' | 'signed', number>();

function count(what: FramingFault | 'parsed' | 'accepted' | 'signed'): void {
  seen.set(what, (seen.get(what) ?? 0) + 1);
}

/** All that the protocol's code ever does with a datagram. */
function digestOf({ bytes, length }: Draft): void {
  if (!packet.parse(bytes, length)) {
    count(packet.fault!);
    return;
  }
  count('parsed');
  if (verifyMessageAuthenticator(packet, secret) === 'valid') count('signed');
  verifyAccountingAuthenticator(packet, secret);
  verifyReply(packet, REQUEST_AUTHENTICATOR, secret);
  dump(packet);
  const check = verifyCredential(packet, secret, packet.text(1) ?? '', 'clientPass');
  if (check.ok) count('accepted');
  writer.beginReply(check.ok ? Code.accessAccept : Code.accessReject, packet);
  if (check.reply !== null) writer.addEncoded(check.reply);
  writer.copyProxyStates(packet);
  writer.finishReply(packet.authenticator, secret);
}

function millisecondsFor(draft: Draft): number {
  const from = performance.now();
  digestOf(draft);
  return performance.now() - from;
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

test(
  `${COUNT} mutations of every vector: no throw, none over ${LONGEST_MS} ms, no growth`,
  () => {
    const next = mutator(corpus(), randomFrom(SEED));
    const warmUp = Math.min(COUNT, 20_000);
    for (let i = 0; i < warmUp; i++) digestOf(next());
    const before = heapAfterCollection();
    const slow: string[] = [];
    for (let i = warmUp; i < COUNT; i++) {
      const draft = next();
      // The machine may have been busy elsewhere: slow is what is slow each time.
      if (millisecondsFor(draft) <= LONGEST_MS) continue;
      const again = Math.min(...[1, 2, 3, 4].map(() => millisecondsFor(draft)));
      if (again > LONGEST_MS) slow.push(`${again} ms: ${draft.bytes.toString('hex', 0, draft.length)}`);
    }
    expect(slow).toEqual([]);
    expect(heapAfterCollection() - before).toBeLessThan(MOST_GROWTH_BYTES);
    // The mutations must reach all of the code, or passing means nothing.
    const reached = [
      'short-datagram',
      'wrong-length',
      'broken-attribute',
      'too-many-attributes',
      'parsed',
      'accepted',
      'signed',
    ];
    const missing = [...reached, 'broken-message-authenticator'].filter((what) => !seen.has(what as FramingFault));
    expect(COUNT < 100_000 ? [] : missing).toEqual([]);
  },
  Math.max(30_000, COUNT / 10),
);
