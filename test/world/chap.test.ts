import { expect, test } from 'vitest';
import { authenticatorResponse, chapResponse, md4, ntHash, ntResponse, ntResponse2 } from '#test/world/chap';

const hex = (text: string) => Buffer.from(text, 'hex');

test('MD4 gives the digests of RFC 1320 A.5', () => {
  expect(md4(Buffer.from('')).toString('hex')).toBe('31d6cfe0d16ae931b73c59d7e0c089c0');
  expect(md4(Buffer.from('message digest')).toString('hex')).toBe('d9130a8164549fe818874806e1c7014b');
  expect(md4(Buffer.from('1234567890'.repeat(8))).toString('hex')).toBe('e33b4ddc9c38f2199c3e7b164fcc0536');
});

test('CHAP answers as in RFC 2865 7.2', () => {
  const challenge = hex('2aee86f08d0d55969ca5978e0d3367a2');
  expect(chapResponse(0x16, 'arctangent', challenge).toString('hex')).toBe('e97557c316185895f293ff6344077275');
});

test('MS-CHAPv1 answers as in RFC 2433 B.2', () => {
  expect(ntHash('MyPw').toString('hex')).toBe('fc156af7edcd6c0edde3337d427f4eac');
  expect(ntResponse(hex('102db5df085d3041'), 'MyPw').toString('hex')).toBe(
    '4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61',
  );
});

test('MS-CHAPv2 answers, and expects of the server, what RFC 2759 9.2 prints', () => {
  const auth = hex('5b5d7c7d7b3f2f3e3c2c602132262628');
  const peer = hex('21402324255e262a28295f2b3a337c7e');
  const response = ntResponse2(auth, peer, 'User', 'clientPass');
  expect(response.toString('hex')).toBe('82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df');
  expect(ntResponse2(auth, peer, 'DOMAIN\\User', 'clientPass')).toEqual(response);
  expect(authenticatorResponse('clientPass', response, peer, auth, 'User')).toBe(
    'S=407A5589115FD0D6209F510FE9C04566932CDA56',
  );
});
