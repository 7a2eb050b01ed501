import type { WhatsAppControl, WhatsAppStatus } from '#domain/whatsapp';
import { quietLive } from '#test/portal/harness';

/** A line whose state a test sets, and which writes down what it was asked to do. */
export class FakeWhatsApp implements WhatsAppControl {
  readonly asked: string[] = [];
  #status: WhatsAppStatus = quietLive().whatsapp.status();

  /** What differs from a line that is off. */
  is(state: Partial<WhatsAppStatus>): void {
    this.#status = { ...quietLive().whatsapp.status(), transport: 'baileys', ...state };
  }

  status(): WhatsAppStatus {
    return this.#status;
  }

  async pairByQr(): Promise<boolean> {
    this.asked.push('qr');
    this.is({ state: 'pairing', qr: '2@qr-of-the-line,abc,def' });
    return true;
  }

  async pairByCode(phone: string): Promise<boolean> {
    this.asked.push(`code for ${phone}`);
    this.is({ state: 'pairing', pairingCode: 'ABCD1234' });
    return true;
  }

  async unpair(): Promise<boolean> {
    this.asked.push('unpair');
    this.is({ state: 'unpaired' });
    return true;
  }

  async reconnect(): Promise<boolean> {
    this.asked.push('reconnect');
    this.is({ state: 'connecting' });
    return true;
  }
}
