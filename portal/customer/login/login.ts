import type { FastifyReply } from 'fastify';
import { SECOND } from '#domain/time';
import { portalLogin } from '#operations/portal-login';
import { COOKIES, type Context, localPath } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf } from '#portal/shared/forms';
import { findSubscriberAccount } from '#storage/subscribers';
import { deleteWebSession } from '#storage/web-sessions';

/** One login at two addresses: that of the packages and that of the account; each leads to its own page. */
const ENTRANCES = [
  { login: '/prepaid/portal/login', logout: '/prepaid/portal/logout', home: '/prepaid/portal/home' },
  { login: '/customer/login', logout: '/customer/logout', home: '/customer' },
] as const;
type Entrance = (typeof ENTRANCES)[number];

/** Beside those of the pages in general: the Portal ID that last logged in here, so that it need not be typed again. */
const PORTAL_ID_COOKIE = 'gerbang_portal_id';
const DAY_SECONDS = 24 * 3600;
/** The server ends a session in time; the cookie only must not be gone before. */
const SESSION_SECONDS = 30 * DAY_SECONDS;
const DEVICE_SECONDS = 365 * DAY_SECONDS;

export function portalLoginPage(doors: Doors): void {
  for (const entrance of ENTRANCES) entranceRoutes(doors, entrance);
}

function entranceRoutes(doors: Doors, { login, logout, home }: Entrance): void {
  doors.open('GET', login, async (context) => {
    const back = portalPath(field(formOf(context.request.query), 'back'));
    if (context.portalSession !== null) return context.redirect(back ?? home);
    return form(context, { login, back, portalId: digits(context.request.cookies[PORTAL_ID_COOKIE] ?? '') });
  });

  doors.open('POST', login, async (context) => {
    const given = formOf(context.request.body);
    const back = portalPath(field(given, 'back'));
    const portalId = digits(field(given, 'portalId'));
    const pin = digits(field(given, 'pin'));
    const faults = {
      ...(/^\d{8}$/.test(portalId) ? {} : { portalId: context.t('login.id-eight-digits') }),
      ...(/^\d{6}$/.test(pin) ? {} : { pin: context.t('login.pin-six-digits') }),
    };
    // Shown again as it was typed, but for what is far too long to be one.
    const typed = { login, back, portalId: portalId.slice(0, 20) };
    if (Object.keys(faults).length > 0) return form(context, { ...typed, faults });
    const { ip, headers, cookies } = context.request;
    const result = await portalLogin(context.desk, {
      portalId,
      pin,
      deviceToken: cookies[COOKIES.device] ?? null,
      address: ip,
      userAgent: headers['user-agent'] ?? '',
    });
    if (!result.ok) return form(context, { ...typed, refused: refusal(context, result.waitSeconds) });
    const before = cookies[COOKIES.portal];
    if (before !== undefined) await deleteWebSession(context.db, before);
    keepCookie(context, COOKIES.portal, result.token, SESSION_SECONDS);
    keepCookie(context, COOKIES.device, result.deviceToken, DEVICE_SECONDS);
    keepCookie(context, PORTAL_ID_COOKIE, portalId, DEVICE_SECONDS);
    const to = back ?? (await homeOf(context, result.subscriberId, home));
    if (!result.mustChangePin) return context.redirect(to);
    return context.redirect(`/prepaid/portal/pin${to === PACKAGES ? '' : `?back=${encodeURIComponent(to)}`}`);
  });

  doors.open('POST', logout, async (context) => {
    const token = context.request.cookies[COOKIES.portal];
    if (token !== undefined) await deleteWebSession(context.db, token);
    context.reply.clearCookie(COOKIES.portal, { path: '/' });
    return context.redirect(login, { kind: 'good', text: context.t('login.logged-out') });
  });
}

const PACKAGES = ENTRANCES[0].home;

/** Who is billed afterwards has no package to look at: what they look for is their bills. */
async function homeOf(context: Context, subscriberId: number, home: string): Promise<string> {
  const account = await findSubscriberAccount(context.db, subscriberId);
  return account?.billing === 'postpaid' ? '/customer' : home;
}

/** A page of the portal to go back to; null for any other address. */
export function portalPath(path: string): string | null {
  return /^\/(prepaid\/portal\/|customer(?=[/?]|$))/.test(path) ? localPath(path) : null;
}

/** People put blanks and dashes between digits, and some keyboards other scripts' digits. */
const digits = (text: string): string => text.normalize('NFKC').replace(/[\s.-]/g, '');

type FormState = {
  readonly login: string;
  readonly back: string | null;
  readonly portalId: string;
  readonly faults?: { readonly portalId?: string; readonly pin?: string };
  readonly refused?: string;
};

async function form(context: Context, state: FormState): Promise<FastifyReply> {
  const title = context.t('login.title');
  const wrong = state.faults !== undefined || state.refused !== undefined;
  return context.page('customer/login/login', { ...state }, { title, status: wrong ? 422 : 200 });
}

/** One answer, whether the ID exists or not: it must not help who guesses. */
function refusal(context: Context, waitSeconds: number): string {
  const wrong = context.t('login.wrong');
  if (waitSeconds === 0) return wrong;
  const wait =
    waitSeconds < 60
      ? context.t('login.wait-seconds', { count: waitSeconds })
      : context.t('login.wait', { span: context.format.duration(Math.ceil(waitSeconds / 60) * 60 * SECOND) });
  return `${wrong} ${wait}`;
}

/** Out of scripts' reach, and over TLS only where we are reached so. */
function keepCookie(context: Context, name: string, value: string, maxAge: number): void {
  const secure = context.publicUrl.startsWith('https:');
  context.reply.setCookie(name, value, { path: '/', httpOnly: true, sameSite: 'lax', secure, maxAge });
}
