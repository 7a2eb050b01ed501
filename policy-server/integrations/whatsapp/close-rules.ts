/**
 * What to do when WhatsApp closed the connection, by the code it closed with (Baileys 7 `DisconnectReason`):
 * `restart`: a new socket at once; `unlinked`: the link is gone, only pairing anew helps; `banned`: so is it, and the
 * number is not wanted; `replaced`: somebody else connected with this link; `again`: trouble on the way, with a pause.
 */
export type AfterClose = 'restart' | 'unlinked' | 'banned' | 'replaced' | 'again';

export function afterClose(code: number | undefined): AfterClose {
  switch (code) {
    case 515: // restart required: part of every pairing
      return 'restart';
    case 401: // logged out on the phone
    case 411: // the account is not in multi-device mode
      return 'unlinked';
    case 403:
      return 'banned';
    case 440:
      return 'replaced';
    default:
      return 'again';
  }
}

/** What an error in WhatsApp's acknowledgement of a message means for it. */
export function afterNack(code: string, attempts: number): 'restricted' | 'failed' | 'later' {
  // 463: not to people who never wrote (also when it lacks a token of theirs); 429: too much.
  if (code === '463' || code === '429') return 'restricted';
  const number = Number(code);
  if (number >= 500 || !Number.isInteger(number)) return 'later';
  return attempts >= REJECTED_AFTER ? 'failed' : 'later';
}

/** A refusal may come from keys that have just changed (479): it counts when it comes so often. */
const REJECTED_AFTER = 3;
