import { toString as qrCode } from 'qrcode';
import { offer } from '#portal/customer/offer';
import { type CustomerStanding, customerStanding, firstNameOf, reasonOf } from '#portal/customer/standing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { recogniseLine } from '#storage/portal-lines';

export function splashPage(doors: Doors): void {
  doors.open('GET', '/', async (context) => {
    if (context.portalSession !== null) return context.redirect('/prepaid/portal/home');
    return context.redirect(context.staffSession === null ? '/prepaid/portal/splash' : '/prepaid/dashboard');
  });

  doors.open('GET', '/prepaid/portal/splash', async (context) => {
    const [known, plans, { company }] = await Promise.all([
      whoAsks(context),
      offer(context),
      context.opened.settings(),
    ]);
    const owes = known?.money?.is === 'overdue';
    const paying = known?.money?.is === 'paying';
    const online = known !== null && !owes && !paying && (known.is === 'active' || known.is === 'ends-soon');
    const suspended = known?.is === 'suspended';
    const title = context.t(
      online ? 'splash.online' : suspended ? 'splash.suspended' : paying ? 'splash.paying' : 'splash.offline',
    );
    const model = {
      title,
      firstName: known === null ? null : firstNameOf(known.account.name),
      reason: known === null ? null : reasonOf(context, known),
      online,
      suspended,
      owes,
      paying,
      loggedIn: context.portalSession !== null,
      plans,
      qr: company.phone === null ? null : await chatQr(company.phone),
    };
    return context.page('customer/splash/splash', model, { title });
  });
}

/** Who is logged in, or else whose line this is by its address: of that one a first name and the package is all that is shown. */
async function whoAsks(context: Context): Promise<CustomerStanding | null> {
  const session = context.portalSession;
  const subscriberId =
    session?.subscriberId ?? (await recogniseLine(context.db, context.request.ip, context.now))?.subscriberId;
  return subscriberId === undefined ? null : customerStanding(context, subscriberId);
}

const codes = new Map<string, string>();

/** The wa.me link of customer service as a picture: for who sits at a computer and chats with a phone. */
async function chatQr(phone: string): Promise<string> {
  let code = codes.get(phone);
  if (code === undefined) {
    const link = `https://wa.me/${phone.replace(/\D/g, '')}`;
    code = await qrCode(link, { type: 'svg', margin: 2, errorCorrectionLevel: 'L' });
    codes.clear();
    codes.set(phone, code);
  }
  return code;
}
