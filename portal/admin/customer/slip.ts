import QRCode from 'qrcode';
import type { Context } from '#portal/shared/context';

/** A QR code as SVG, black on white in either theme. `label` says what it leads to. */
export async function qrSvg(text: string, label = ''): Promise<string> {
  const svg = await QRCode.toString(text, { type: 'svg', margin: 1, errorCorrectionLevel: 'M' });
  return svg.replace('<svg ', `<svg role="img" aria-label="${label.replace(/[<>"&]/g, '')}" `);
}

/** Where subscribers log in to the portal. */
export const portalAddress = (context: Context): string => `${context.publicUrl}/prepaid/portal/login`;

export type Slip = {
  readonly company: { readonly name: string; readonly phone: string | null };
  readonly name: string;
  readonly username: string;
  readonly portalId: string;
  readonly pin: string;
  readonly address: string;
  readonly addressQr: string;
  /** Opens WhatsApp with a first message to us: who wrote to us first surely gets what we send. */
  readonly chat: { readonly link: string; readonly qr: string } | null;
};

/** What is handed to a subscriber on paper. Made once from a PIN just issued, and kept nowhere. */
export async function slipOf(
  context: Context,
  of: Pick<Slip, 'name' | 'username' | 'portalId' | 'pin'>,
): Promise<Slip> {
  const { company } = await context.opened.settings();
  const address = portalAddress(context);
  const digits = company.phone?.replace(/\D/g, '') ?? null;
  const said = context.t('customer.chat-first', {
    name: of.name === '' ? of.username : of.name,
    portalId: of.portalId,
  });
  const link = digits === null ? null : `https://wa.me/${digits}?text=${encodeURIComponent(said)}`;
  return {
    ...of,
    company,
    address,
    addressQr: await qrSvg(address, context.t('customer.qr-portal')),
    chat: link === null ? null : { link, qr: await qrSvg(link, context.t('customer.qr-chat')) },
  };
}
