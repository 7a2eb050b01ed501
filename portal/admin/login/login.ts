import type { FastifyReply } from 'fastify';
import { type StaffLoginResult, staffLogin, staffTotp } from '#operations/staff-login';
import { COOKIES, type Context, localPath } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf } from '#portal/shared/forms';
import { deleteWebSession } from '#storage/web-sessions';

/** Where staff begin when nothing else was asked for. */
export const START = '/prepaid/dashboard';
/** No session of staff lasts longer; the server decides when one really ends. */
const COOKIE_SECONDS = 7 * 24 * 3600;

export function loginPage(doors: Doors): void {
  doors.open('GET', '/login', async (context) => {
    const back = backOf(context.request.query);
    if (context.staffSession !== null) return context.redirect(afterStep(context.staffSession.step, back));
    return form(context, { back });
  });

  doors.open('POST', '/login', async (context) => {
    const given = formOf(context.request.body);
    const back = backOf(given);
    const username = field(given, 'username');
    // As typed: a password may begin or end with a blank.
    const password = typeof given.password === 'string' ? given.password : '';
    if (username === '' || password === '')
      return form(context, { back, username, fault: context.t('login-staff.empty') });
    const { ip, headers } = context.request;
    const result = await staffLogin(context.desk, {
      username,
      password,
      address: ip,
      userAgent: headers['user-agent'] ?? '',
    });
    if (!result.ok) return form(context, { back, username, fault: refusal(context, 'login-staff.wrong', result) });
    return enter(context, result, back);
  });

  doors.staff(
    'GET',
    '/login/code',
    'see',
    async (context) => {
      const back = backOf(context.request.query);
      const { step } = context.staffSession!;
      return step === 'totp' ? codeForm(context, { back }) : context.redirect(afterStep(step, back));
    },
    { halfway: true },
  );

  doors.open('POST', '/login/code', async (context) => {
    const given = formOf(context.request.body);
    const back = backOf(given);
    const token = context.request.cookies[COOKIES.staff];
    if (token === undefined || context.staffSession?.step !== 'totp') return context.redirect(withBack('/login', back));
    const result = await staffTotp(context.desk, token, field(given, 'code'));
    if (!result.ok) return codeForm(context, { back, fault: refusal(context, 'login-staff.wrong-code', result) });
    return enter(context, result, back);
  });

  doors.open('POST', '/logout', async (context) => {
    const token = context.request.cookies[COOKIES.staff];
    if (token !== undefined) await deleteWebSession(context.db, token);
    context.reply.clearCookie(COOKIES.staff, { path: '/' });
    return context.redirect('/login', { kind: 'good', text: context.t('login-staff.logged-out') });
  });
}

/** Puts the token of a login into this browser, in the place of any that was there. */
export function keepStaffToken(context: Context, token: string): void {
  context.reply.setCookie(COOKIES.staff, token, {
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: context.publicUrl.startsWith('https:'),
    maxAge: COOKIE_SECONDS,
  });
}

type Entered = Extract<StaffLoginResult, { ok: true }>;

function enter(context: Context, { token, step }: Entered, back: string | null): FastifyReply {
  keepStaffToken(context, token);
  return context.redirect(afterStep(step, back));
}

function afterStep(step: Entered['step'], back: string | null): string {
  if (step === 'totp') return withBack('/login/code', back);
  return step === 'password' ? '/account/password' : (back ?? START);
}

/** What was wrong, and how long to wait in words. */
function refusal(context: Context, key: string, { waitSeconds }: { readonly waitSeconds: number }): string {
  if (waitSeconds === 0) return context.t(key);
  const minutes = Math.ceil(waitSeconds / 60);
  const wait =
    waitSeconds < 60
      ? context.t('login-staff.seconds', { count: waitSeconds })
      : context.t('login-staff.minutes', { count: minutes });
  return context.t('login-staff.wait', { what: context.t(key), wait });
}

async function form(
  context: Context,
  model: { readonly back: string | null; readonly username?: string; readonly fault?: string },
): Promise<FastifyReply> {
  const { company } = await context.opened.settings();
  const title = context.t('login-staff.title');
  const options = { title, layout: 'bare', status: model.fault === undefined ? 200 : 422 } as const;
  return context.page('admin/login/login', { ...model, company }, options);
}

async function codeForm(
  context: Context,
  model: { readonly back: string | null; readonly fault?: string },
): Promise<FastifyReply> {
  const title = context.t('login-staff.code-title');
  const options = { title, layout: 'bare', status: model.fault === undefined ? 200 : 422 } as const;
  return context.page('admin/login/code', model, options);
}

/** Where the reader wanted to go: a path of ours, or nowhere. */
function backOf(from: unknown): string | null {
  return localPath(field(formOf(from), 'back'));
}

const withBack = (path: string, back: string | null): string =>
  back === null ? path : `${path}?back=${encodeURIComponent(back)}`;
