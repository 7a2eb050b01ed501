/**
 * Whether an Access-Request proves a password: PAP, CHAP (RFC 2865 sections 5.2, 5.3), MS-CHAPv1 and v2 (RFC 2548). The
 * PAP and CHAP paths allocate nothing; every comparison takes the same time whatever differs.
 */
import { vendors } from '#radius/attributes';
import { attributeNumber } from '#radius/dictionary';
import { Arena, digest, INITIAL } from '#radius/md5';
import {
  authenticatorResponse,
  challengeHash,
  challengeResponse,
  hashNtPasswordHash,
  hideMppeKey,
  hideMppeKeys,
  lmPasswordHash,
  masterKey,
  mppeSalt,
  ntPasswordHash,
  type RandomOctets,
  randomOctets,
  startKey,
  withoutDomain,
} from '#radius/mschap';
import { HEADER_OCTETS } from '#radius/octets';
import { equalOctets, type Packet, type Secret, Writer } from '#radius/packet';

/**
 * Why a credential does not let in. All of them mean Access-Reject but `eap-unsigned`, which must be dropped without a
 * word (RFC 3579 section 3.2).
 */
export type CredentialFailure =
  | 'wrong-password'
  | 'no-credential'
  | 'several-credentials'
  | 'malformed-credential'
  | 'eap'
  | 'eap-unsigned'
  | 'unsupported';

/** `reply`: attributes for the answer, encoded as on the wire (for `Writer.addEncoded`), or null. */
export type CredentialCheck =
  | { readonly ok: true; readonly reply: Buffer | null }
  | { readonly ok: false; readonly kind: CredentialFailure; readonly reply: Buffer | null };

export type CredentialKind = 'pap' | 'chap' | 'mschap' | 'mschapv2' | 'eap' | 'unsupported' | 'several' | 'none';

const USER_PASSWORD = attributeNumber('User-Password');
const CHAP_PASSWORD = attributeNumber('CHAP-Password');
const CHAP_CHALLENGE = attributeNumber('CHAP-Challenge');
const EAP_MESSAGE = attributeNumber('EAP-Message');
const ARAP_PASSWORD = attributeNumber('ARAP-Password');
const VENDOR_SPECIFIC = attributeNumber('Vendor-Specific');
const MICROSOFT = vendors.Microsoft.number;
const MS_CHAP_RESPONSE = attributeNumber('MS-CHAP-Response');
const MS_CHAP_CHALLENGE = attributeNumber('MS-CHAP-Challenge');
const MS_CHAP2_RESPONSE = attributeNumber('MS-CHAP2-Response');
const MS_CHAP_ERROR = attributeNumber('MS-CHAP-Error');
const MS_CHAP2_SUCCESS = attributeNumber('MS-CHAP2-Success');
const MS_CHAP_MPPE_KEYS = attributeNumber('MS-CHAP-MPPE-Keys');
const MS_MPPE_SEND_KEY = attributeNumber('MS-MPPE-Send-Key');
const MS_MPPE_RECV_KEY = attributeNumber('MS-MPPE-Recv-Key');
/** The sub-attributes that are credentials; changing a password through RADIUS is not offered. */
const MICROSOFT_KINDS: readonly (readonly [type: number, kind: CredentialKind])[] = [
  [MS_CHAP_RESPONSE, 'mschap'],
  [MS_CHAP2_RESPONSE, 'mschapv2'],
  [attributeNumber('MS-CHAP-CPW-1'), 'unsupported'],
  [attributeNumber('MS-CHAP-CPW-2'), 'unsupported'],
  [attributeNumber('MS-CHAP2-CPW'), 'unsupported'],
];

/** User-Password has at most 128 octets (RFC 2865 section 5.2): a longer password cannot be told by PAP. */
const MAX_PAP_OCTETS = 128;
/** Longest password that is compared by CHAP. */
const MAX_CHAP_OCTETS = 512;
/** Below it (RFC 2865 section 5.40) a CHAP-Challenge is of a wrong size and ignored. */
const MIN_CHAP_CHALLENGE_OCTETS = 5;
const MS_CHAP_RESPONSE_OCTETS = 50;

const accepted: CredentialCheck = { ok: true, reply: null };
const failures: Readonly<Record<CredentialFailure, CredentialCheck>> = {
  'wrong-password': { ok: false, kind: 'wrong-password', reply: null },
  'no-credential': { ok: false, kind: 'no-credential', reply: null },
  'several-credentials': { ok: false, kind: 'several-credentials', reply: null },
  'malformed-credential': { ok: false, kind: 'malformed-credential', reply: null },
  eap: { ok: false, kind: 'eap', reply: null },
  'eap-unsigned': { ok: false, kind: 'eap-unsigned', reply: null },
  unsupported: { ok: false, kind: 'unsupported', reply: null },
};

/**
 * Which proof the request carries. More than one, also twice the same, is `several` and refused (RFC 2865 section 4.1, 3579
 * section 3.3); EAP comes in as many pieces as it likes.
 */
export function credentialKind(packet: Packet): CredentialKind {
  let kind: CredentialKind = 'none';
  const bytes = packet.buffer;
  for (let at = packet.first(); at !== 0; at = packet.next(at)) {
    const here = kindOfType(bytes[at]!);
    if (here === 'none' || (here === 'eap' && kind === 'eap')) continue;
    if (kind !== 'none') return 'several';
    kind = here;
  }
  const microsoft = microsoftKind(packet);
  if (microsoft === 'none') return kind;
  return kind === 'none' ? microsoft : 'several';
}

function kindOfType(type: number): CredentialKind {
  if (type === USER_PASSWORD) return 'pap';
  if (type === CHAP_PASSWORD) return 'chap';
  if (type === EAP_MESSAGE) return 'eap';
  return type === ARAP_PASSWORD ? 'unsupported' : 'none';
}

function microsoftKind(packet: Packet): CredentialKind {
  if (packet.find(VENDOR_SPECIFIC) === 0) return 'none';
  let kind: CredentialKind = 'none';
  for (const [type, here] of MICROSOFT_KINDS) {
    const at = packet.findVendor(MICROSOFT, type);
    if (at === 0) continue;
    if (kind !== 'none' || packet.findVendor(MICROSOFT, type, at) !== 0) return 'several';
    kind = here;
  }
  return kind;
}

/**
 * Checks the request's credential against the subscriber's password. `username` is the name the NAS sent (MS-CHAPv2
 * hashes it). An empty password lets nobody in, at the same cost as any other: it serves for a subscriber we do not
 * know. Never throws, whatever the packet holds.
 */
export function verifyCredential(
  packet: Packet,
  secret: Secret,
  username: string,
  password: string,
  random: RandomOctets = randomOctets,
): CredentialCheck {
  const kind = credentialKind(packet);
  switch (kind) {
    case 'pap':
      return verifyPap(packet, secret, password);
    case 'chap':
      return verifyChap(packet, password);
    case 'mschap':
      return verifyMschap(packet, secret, password, random);
    case 'mschapv2':
      return verifyMschapv2(packet, secret, username, password, random);
    case 'eap':
      return packet.messageAuthenticatorAt === 0 ? failures['eap-unsigned'] : failures.eap;
    case 'several':
      return failures['several-credentials'];
    case 'none':
      return failures['no-credential'];
    case 'unsupported':
      return failures.unsupported;
  }
}

const sum = new Int32Array(4);
const sumOctets = new Uint8Array(sum.buffer);
const expected = Buffer.alloc(MAX_PAP_OCTETS);

/** RFC 2865 section 5.2: 16 to 128 octets, each block hidden under the one before it, zeros behind the password. */
function verifyPap(packet: Packet, secret: Secret, password: string): CredentialCheck {
  const at = packet.find(USER_PASSWORD) + 2;
  const octets = packet.buffer[at - 1]! - 2;
  if (octets === 0 || octets > MAX_PAP_OCTETS || (octets & 15) !== 0) return failures['malformed-credential'];
  expected.fill(0, 0, octets);
  const length = writePassword(password, expected);
  let difference = length === 0 || length > octets ? 1 : 0;
  for (let block = 0; block < octets; block += 16) {
    if (block === 0) secret.mask(sum, packet.authenticator, 0, 16);
    else secret.mask(sum, packet.buffer, at + block - 16, 16);
    for (let i = 0; i < 16; i++) {
      difference |= packet.buffer[at + block + i]! ^ sumOctets[i]! ^ expected[block + i]!;
    }
  }
  return difference === 0 ? accepted : failures['wrong-password'];
}

/**
 * Whether the User-Password of a request comes out as text under this secret, whatever it is: under another one it comes
 * out as random octets, of which one in a hundred thousand looks like text.
 */
export function papIsReadable(packet: Packet, secret: Secret): boolean {
  const at = packet.find(USER_PASSWORD) + 2;
  const octets = packet.buffer[at - 1]! - 2;
  if (octets === 0 || octets > MAX_PAP_OCTETS || (octets & 15) !== 0) return false;
  for (let block = 0; block < octets; block += 16) {
    if (block === 0) secret.mask(sum, packet.authenticator, 0, 16);
    else secret.mask(sum, packet.buffer, at + block - 16, 16);
    for (let i = 0; i < 16; i++) expected[block + i] = packet.buffer[at + block + i]! ^ sumOctets[i]!;
  }
  const text = expected.toString('utf8', 0, octets).replace(/\0+$/, '');
  expected.fill(0, 0, octets);
  return !/[\p{Cc}\ufffd]/u.test(text);
}

/** Octets of `password` as UTF-8, written into `into` as far as they fit. */
function writePassword(password: string, into: Buffer, from = 0): number {
  for (let i = 0; i < password.length; i++) {
    const code = password.charCodeAt(i);
    if (code > 0x7f) {
      into.write(password, from, 'utf8');
      return Buffer.byteLength(password, 'utf8');
    }
    into[from + i] = code;
  }
  return password.length;
}

const chapMessage = new Arena(1 + MAX_CHAP_OCTETS + 253);

/** RFC 2865 section 5.3: identifier and MD5 of identifier, password and challenge. */
function verifyChap(packet: Packet, password: string): CredentialCheck {
  const at = packet.find(CHAP_PASSWORD) + 2;
  if (packet.buffer[at - 1] !== 17 + 2) return failures['malformed-credential'];
  const message = chapMessage.bytes;
  message[0] = packet.buffer[at]!;
  const octets = writePassword(password, message, 1);
  if (octets === 0 || octets > MAX_CHAP_OCTETS) return failures['wrong-password'];
  const length = 1 + octets + putChallenge(packet, message, 1 + octets);
  digest(chapMessage, length, INITIAL, 0, sum);
  return equalOctets(packet.buffer, at + 1, sumOctets, 0, 16) ? accepted : failures['wrong-password'];
}

/** The challenge is CHAP-Challenge, or the Request Authenticator where there is none (RFC 2865 section 5.3). */
function putChallenge(packet: Packet, message: Buffer, to: number): number {
  const given = packet.find(CHAP_CHALLENGE);
  const own = given !== 0 && packet.valueLength(given) >= MIN_CHAP_CHALLENGE_OCTETS;
  const from = own ? packet.valueStart(given) : 4;
  const octets = own ? packet.valueLength(given) : 16;
  for (let i = 0; i < octets; i++) message[to + i] = packet.buffer[from + i]!;
  return octets;
}

/** RFC 2548 section 2.1.3: Ident, Flags, LM-Response (24), NT-Response (24); Flags 1 says the NT one is to be used. */
function verifyMschap(packet: Packet, secret: Secret, password: string, random: RandomOctets): CredentialCheck {
  const response = microsoftValue(packet, MS_CHAP_RESPONSE, MS_CHAP_RESPONSE_OCTETS);
  const challenge = microsoftValue(packet, MS_CHAP_CHALLENGE, 8);
  if (response === null || challenge === null) return failures['malformed-credential'];
  if (response[1] !== 1) return failures.unsupported;
  const passwordHash = ntPasswordHash(password);
  const right = equalOctets(challengeResponse(challenge, passwordHash), 0, response, 26, 24);
  if (!right || password === '') return refused(packet, random);
  const keys = hideMppeKeys(lmPasswordHash(password), hashNtPasswordHash(passwordHash), packet.authenticator, secret);
  replies.begin(0, 0);
  replies.addVendorBytes(MICROSOFT, MS_CHAP_MPPE_KEYS, keys);
  return { ok: true, reply: encodedReply() };
}

/** RFC 2548 section 2.3.2: Ident, Flags, Peer-Challenge (16), Reserved (8), Response (24). */
function verifyMschapv2(
  packet: Packet,
  secret: Secret,
  username: string,
  password: string,
  random: RandomOctets,
): CredentialCheck {
  const response = microsoftValue(packet, MS_CHAP2_RESPONSE, MS_CHAP_RESPONSE_OCTETS);
  const authenticatorChallenge = microsoftValue(packet, MS_CHAP_CHALLENGE, 16);
  if (response === null || authenticatorChallenge === null) return failures['malformed-credential'];
  const challenge = challengeHash(response.subarray(2, 18), authenticatorChallenge, withoutDomain(username));
  const passwordHash = ntPasswordHash(password);
  const ntResponse = response.subarray(26);
  const right = equalOctets(challengeResponse(challenge, passwordHash), 0, ntResponse, 0, 24);
  if (!right || password === '') return refused(packet, random);
  const hashHash = hashNtPasswordHash(passwordHash);
  const success = authenticatorResponse(hashHash, ntResponse, challenge);
  const master = masterKey(hashHash, ntResponse);
  const sendSalt = mppeSalt(random, null);
  const send = hideMppeKey(startKey(master, 'send'), sendSalt, packet.authenticator, secret);
  const receive = hideMppeKey(startKey(master, 'receive'), mppeSalt(random, sendSalt), packet.authenticator, secret);
  replies.begin(0, 0);
  replies.addVendorText(MICROSOFT, MS_CHAP2_SUCCESS, `\0${success}`);
  replies.buffer[HEADER_OCTETS + 8] = response[0]!;
  replies.addVendorBytes(MICROSOFT, MS_MPPE_SEND_KEY, send);
  replies.addVendorBytes(MICROSOFT, MS_MPPE_RECV_KEY, receive);
  return { ok: true, reply: encodedReply() };
}

/** A vendor value of exactly `octets`, or null: one of another size is as good as none. */
function microsoftValue(packet: Packet, type: number, octets: number): Buffer | null {
  const at = packet.findVendor(MICROSOFT, type);
  return at === 0 || packet.valueLength(at) !== octets ? null : packet.bytesAt(at);
}

function refused(packet: Packet, random: RandomOctets): CredentialCheck {
  return { ok: false, kind: 'wrong-password', reply: mschapError(packet, random) };
}

/**
 * MS-CHAP-Error for an Access-Reject, encoded, if the request came with MS-CHAP, else null: Ident, then "no such
 * credential, do not retry" with a challenge nobody will use (RFC 2548 section 2.1.5, 2433 section 8, 2759 section 6).
 */
export function mschapError(packet: Packet, random: RandomOctets = randomOctets): Buffer | null {
  const kind = credentialKind(packet);
  if (kind !== 'mschap' && kind !== 'mschapv2') return null;
  const at = packet.findVendor(MICROSOFT, kind === 'mschap' ? MS_CHAP_RESPONSE : MS_CHAP2_RESPONSE);
  const challenge = Buffer.alloc(kind === 'mschap' ? 8 : 16);
  random(challenge, 0, challenge.length);
  const version = kind === 'mschap' ? 2 : 3;
  replies.begin(0, 0);
  const text = `\0E=691 R=0 C=${challenge.toString('hex').toUpperCase()} V=${version}`;
  replies.addVendorText(MICROSOFT, MS_CHAP_ERROR, text);
  replies.buffer[HEADER_OCTETS + 8] = packet.valueLength(at) === 0 ? 0 : packet.buffer[at + 2]!;
  return encodedReply();
}

/** Where the attributes of a reply are put together. */
const replies = new Writer();

function encodedReply(): Buffer {
  return Buffer.from(replies.buffer.subarray(HEADER_OCTETS, replies.length));
}
