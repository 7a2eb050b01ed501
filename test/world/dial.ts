import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { authenticatorResponse, chapResponse, ntResponse, ntResponse2 } from '#test/world/chap';
import type { Mikrotik } from '#test/world/mikrotik';
import type { Session } from '#test/world/session';
import { type Attribute, Attributes, encodeAccessRequest, vendor } from '#test/world/wire';

/** What the line proves itself with, and how it checks the server's proof (MS-CHAPv2 only). */
type Credential = { attributes: Attribute[]; accepts: (reply: Attributes) => boolean };

function credential(session: Session): Credential {
  const { username, password, method } = session.line;
  const accepts = () => true;
  if (method === 'pap') return { attributes: [['User-Password', password]], accepts };
  const identifier = randomInt(256);
  const id = Buffer.from([identifier]);
  const challenge = randomBytes(method === 'mschap1' ? 8 : 16);
  if (method === 'chap') {
    const value = Buffer.concat([id, chapResponse(identifier, password, challenge)]);
    return {
      attributes: [
        ['CHAP-Challenge', challenge],
        ['CHAP-Password', value],
      ],
      accepts,
    };
  }
  const asked = vendor('Microsoft', 'MS-CHAP-Challenge', challenge);
  if (method === 'mschap1') {
    // Ident, Flags (1 = use the NT response), LM response, NT response (RFC 2548 2.1.3).
    const value = Buffer.concat([id, Buffer.from([1]), Buffer.alloc(24), ntResponse(challenge, password)]);
    return { attributes: [asked, vendor('Microsoft', 'MS-CHAP-Response', value)], accepts };
  }
  const peer = randomBytes(16);
  const response = ntResponse2(challenge, peer, username, password);
  // Ident, Flags, Peer-Challenge, Reserved, Response (RFC 2548 2.3.2).
  const value = Buffer.concat([id, Buffer.from([0]), peer, Buffer.alloc(8), response]);
  const proof = Buffer.concat([id, Buffer.from(authenticatorResponse(password, response, peer, challenge, username))]);
  return {
    attributes: [asked, vendor('Microsoft', 'MS-CHAP2-Response', value)],
    accepts: (reply) => {
      const success = reply.vendorBytes('MS-CHAP2-Success');
      return success !== null && success.length === proof.length && timingSafeEqual(success, proof);
    },
  };
}

/** Asks the server and fills the session in from its answer. False when the server did not prove itself to the line. */
export async function dialIn(router: Mikrotik, session: Session): Promise<boolean> {
  const { attributes, accepts } = credential(session);
  const authenticator = randomBytes(16);
  const reply = await router.auth.send(
    (identifier) =>
      encodeAccessRequest(
        router.secret,
        identifier,
        authenticator,
        [...router.common(session), ...attributes],
        router.options.sendsMessageAuthenticator,
      ),
    { rebuild: false },
  );
  if (reply === null) {
    session.state = 'unanswered';
    return false;
  }
  session.reply = Buffer.from(reply);
  const answer = new Attributes(reply);
  if (answer.code !== 'Access-Accept') {
    session.state = 'rejected';
    session.rejectMessage = answer.text('Reply-Message');
    return false;
  }
  take(session, answer, router.options.interimSeconds);
  return accepts(answer);
}

/** What PPP honours of an Access-Accept. */
function take(session: Session, accept: Attributes, interimSeconds: number): void {
  session.state = 'up';
  const rate = accept.vendorText('Mikrotik-Rate-Limit');
  if (rate !== null) session.limit(rate);
  const list = accept.vendorText('Mikrotik-Address-List');
  session.addressLists = list === null ? [] : [list];
  session.profile = accept.vendorText('Mikrotik-Group');
  session.classes = accept.raw(25);
  session.interimSeconds = accept.number('Acct-Interim-Interval') || interimSeconds;
  session.idleSeconds = accept.number('Idle-Timeout') ?? 0;
  session.endsAt = (accept.number('Session-Timeout') ?? Number.POSITIVE_INFINITY) * 1000;
  const address = accept.text('Framed-IP-Address');
  // 127/8 and 224/3 mean: take one from the pool.
  const first = Number(address?.split('.')[0] ?? 127);
  session.address = address !== null && first !== 127 && first < 224 ? address : '';
}
