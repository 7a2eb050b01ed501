import { expect, test } from 'vitest';
import { parseRateLimit } from '#test/world/session';
import { faultOfIncoming, faultOfReply } from '#test/world/wire';

const hex = (text: string) => Buffer.from(text, 'hex');

/** RFC 2865 7.1. */
const request = hex(
  '010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003',
);
const reply = hex('0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103');
/** The same request answered with Message-Authenticator first; radclient accepts it. */
const signed = hex(
  '020000417e0d59be24b9533659f0f3f44520447150123968457f0c96d16fddb152a00ef05c120606000000020706000000011a0f00003a8c080931304d2f32304d',
);
/** Sent by radclient 3.2.1, secret xyzzy5461, with Message-Authenticator and Event-Timestamp. */
const coa = hex(
  '2b4b005198812b5236a5ae04a8d27c30f5cd065101066e656d6f2c0a38313030303030310406c0a801101a0f00003a8c080931304d2f32304d37066553f10050127416dd4beee0d6b2715c46591ecea468',
);
const secret = 'xyzzy5461';

const flipped = (packet: Buffer, at: number) => {
  const copy = Buffer.from(packet);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

test('a reply is believed only with the right authenticator, and with Message-Authenticator where it is required', () => {
  expect(faultOfReply(secret, reply, request, false)).toBeNull();
  expect(faultOfReply(secret, reply, request, true)).toBe('no Message-Authenticator');
  expect(faultOfReply(secret, signed, request, true)).toBeNull();
  expect(faultOfReply('other', reply, request, false)).toBe('wrong Response Authenticator');
  for (let at = 4; at < reply.length; at++)
    expect(faultOfReply(secret, flipped(reply, at), request, false)).not.toBeNull();
  expect(faultOfReply(secret, reply.subarray(0, 30), request, false)).toBe('broken length');
});

test('a CoA of radclient is believed, and not with a single bit changed', () => {
  expect(faultOfIncoming(secret, coa)).toBeNull();
  for (let at = 0; at < coa.length; at++)
    expect(faultOfIncoming(secret, flipped(coa, at)), `octet ${at}`).not.toBeNull();
});

test('rate limits are read as RouterOS reads them: upload first, a missing download copies it', () => {
  const limits = (text: string) => {
    const read = parseRateLimit(text);
    return read && [read.uploadBps, read.downloadBps, read.burstUploadBps, read.burstDownloadBps, read.priority];
  };
  expect(limits('128k')).toEqual([128e3, 128e3, 0, 0, 8]);
  expect(limits('64k/128M')).toEqual([64e3, 128e6, 0, 0, 8]);
  expect(limits('5000k/20000k 10M/40M 4M/15M 16/16 3 1M/2M')).toEqual([5e6, 20e6, 10e6, 40e6, 3]);
  for (const none of ['', 'fast', '1.5M', '1M/2M/3M', '1M 2M 1M 10 9', '1M/']) expect(parseRateLimit(none)).toBeNull();
});
