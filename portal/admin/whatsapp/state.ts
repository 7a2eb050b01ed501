import type { WhatsAppStatus } from '#domain/whatsapp';
import type { Context } from '#portal/shared/context';

const TONES: Readonly<Record<WhatsAppStatus['state'], string>> = {
  off: 'off',
  missing: 'bad',
  unpaired: 'warn',
  pairing: 'warn',
  connecting: 'warn',
  connected: 'good',
  'logged-out': 'bad',
  replaced: 'bad',
  blocked: 'bad',
  elsewhere: '',
};

/** How the company's line is doing, and what to do about it, in the reader's words. */
export function stateWords(context: Context, { state, transport }: WhatsAppStatus) {
  // The Cloud API is not paired: what it lacks is an entry.
  const key = state === 'unpaired' && transport === 'cloud' ? 'incomplete' : state;
  return { tone: TONES[state], text: context.t(`whatsapp.state-${key}`), remedy: context.t(`whatsapp.remedy-${key}`) };
}
