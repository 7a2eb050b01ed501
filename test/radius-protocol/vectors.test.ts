import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { replay } from '#test/radius-protocol/transcript';

const file = new URL('vectors.txt', import.meta.url);

test('V1-V4, V9-V11, A01: every published packet is read, verified and built again to the bit', () => {
  const transcript = readFileSync(file, 'utf8');
  const now = replay(transcript);
  if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(file, now);
  else expect(now).toBe(transcript);
  // Wrong are only those that must be: V4's misprinted reply.
  expect(now.match(/other octets|authenticators wrong|Authenticator wrong/g)).toEqual(['authenticators wrong']);
});
