import type { FastifyReply } from 'fastify';
import { beginTotp, changeOwnPassword, confirmTotp, turnOffTotp } from '#operations/own-account';
import { editStaff, endStaffSessions } from '#operations/staff';
import { totpUri } from '#operations/totp';
import { browserOf } from '#portal/admin/account/browser';
import { qrSvg } from '#portal/admin/customer/slip';
import { keepStaffToken, START } from '#portal/admin/login/login';
import { COOKIES, type Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf } from '#portal/shared/forms';
import { LANGUAGES, words } from '#portal/shared/words';
import { deleteWebSessionsOf, listWebSessionsOf, tokenHash } from '#storage/web-sessions';

/** What staff see and change of themselves. */
export function accountPage(doors: Doors): void {
  doors.staff('GET', '/account', 'see', (context) => account(context));

  doors.staff('POST', '/account', 'see', async (context) => {
    const form = formOf(context.request.body);
    const { id } = context.staff;
    const edit = { id, name: field(form, 'name'), language: field(form, 'language') };
    const { faults } = await attempt(() => editStaff(context.desk, edit));
    if (faults !== undefined) return account(context, { faults });
    // What the switch on the page chose for this browser must not hide what was just chosen for the account.
    context.reply.clearCookie(COOKIES.language, { path: '/' });
    const language = LANGUAGES.find((known) => known === edit.language) ?? context.language;
    return context.redirect('/account', { kind: 'good', text: words(language, 'account.saved') });
  });

  doors.staff(
    'GET',
    '/account/password',
    'see',
    (context) => (context.staffSession?.step === 'totp' ? codeFirst(context) : passwordForm(context)),
    { halfway: true },
  );
  doors.staff('POST', '/account/password', 'see', changePassword, { halfway: true });

  doors.staff('POST', '/account/totp', 'see', async (context) => {
    const begun = await attempt(() => beginTotp(context.desk, context.staff.id));
    return begun.faults === undefined
      ? totpForm(context, begun.done)
      : account(context, { faults: [context.t('account.totp-standing')] });
  });

  doors.staff('POST', '/account/totp/confirm', 'see', async (context) => {
    const form = formOf(context.request.body);
    const { faults } = await attempt(() => confirmTotp(context.desk, context.staff.id, field(form, 'code')));
    if (faults === undefined)
      return context.redirect('/account', { kind: 'good', text: context.t('account.totp-is-on') });
    const secret = field(form, 'secret');
    if (!/^[A-Z2-7]{16,64}$/.test(secret)) return account(context, { faults: [context.t('account.code-wrong')] });
    const { company } = await context.opened.settings();
    const uri = totpUri(secret, company.name, context.staff.username);
    return totpForm(context, { secret, uri }, context.t('account.code-wrong'));
  });

  doors.staff('POST', '/account/totp/off', 'see', async (context) => {
    const code = field(formOf(context.request.body), 'code');
    const { faults } = await attempt(() => turnOffTotp(context.desk, context.staff.id, code));
    return faults === undefined
      ? context.redirect('/account', { kind: 'good', text: context.t('account.totp-is-off') })
      : account(context, { faults: [context.t('account.code-wrong')] });
  });

  doors.staff('POST', '/account/sessions/end', 'see', async (context) => {
    const key = field(formOf(context.request.body), 'key');
    const ended =
      key === 'others'
        ? await deleteWebSessionsOf(context.db, { staffId: context.staff.id }, context.request.cookies[COOKIES.staff])
        : (await endStaffSessions(context.desk, context.staff.id, key)).ended;
    return context.redirect('/account', { kind: 'good', text: context.t('account.sessions-ended', { count: ended }) });
  });
}

async function account(context: Context, more: { readonly faults?: readonly string[] } = {}): Promise<FastifyReply> {
  const { db, now, staff } = context;
  const own = tokenHash(context.request.cookies[COOKIES.staff] ?? '').toString('hex');
  const sessions = await listWebSessionsOf(db, staff.id, now);
  const title = context.t('account.title');
  return context.page(
    'admin/account/account',
    {
      title,
      ...more,
      staff,
      role: context.t(`account.role-${staff.role}`),
      languages: LANGUAGES.map((key) => ({
        key,
        text: context.t(`account.language-${key}`),
        chosen: key === staff.language,
      })),
      sessions: sessions.map((one) => ({ ...one, browser: browserOf(one.userAgent), own: one.key === own })),
      several: sessions.length > 1,
    },
    { title, active: 'account', status: more.faults === undefined ? 200 : 422 },
  );
}

async function passwordForm(context: Context, faults?: Readonly<Record<string, string>>): Promise<FastifyReply> {
  const forced = context.staffSession?.step === 'password';
  const title = context.t(forced ? 'account.password-first' : 'account.password-title');
  const status = faults === undefined ? 200 : 422;
  return context.page('admin/account/password', { title, forced, faults }, { title, layout: 'bare', status });
}

/** The second factor comes before: who only has the password must not change it. */
const codeFirst = async (context: Context): Promise<FastifyReply> => context.redirect('/login/code');

const SHORTEST_PASSWORD = 10;
/** As typed: a password may begin or end with a blank. */
const passwordIn = (form: Form, name: string): string => (typeof form[name] === 'string' ? form[name] : '');

async function changePassword(context: Context): Promise<FastifyReply> {
  const { staffSession, request } = context;
  if (staffSession?.step === 'totp') return codeFirst(context);
  const form = formOf(request.body);
  const [oldPassword, newPassword] = [passwordIn(form, 'old'), passwordIn(form, 'new')];
  const faults: Record<string, string> = {};
  if (oldPassword === '') faults.old = context.t('account.old-missing');
  if (newPassword.length < SHORTEST_PASSWORD) faults.new = context.t('account.new-short', { least: SHORTEST_PASSWORD });
  else if (newPassword === oldPassword || newPassword === context.staff.username)
    faults.new = context.t('account.new-same');
  else if (newPassword !== passwordIn(form, 'again')) faults.again = context.t('account.again-differs');
  if (Object.keys(faults).length > 0) return passwordForm(context, faults);
  const token = request.cookies[COOKIES.staff] ?? '';
  const changed = await attempt(() => changeOwnPassword(context.desk, { token, oldPassword, newPassword }));
  if (changed.faults !== undefined) {
    const wait = /in (\d+) seconds/.exec(changed.faults.join())?.[1];
    const old = wait === undefined ? context.t('account.old-wrong') : context.t('account.old-wait', { seconds: wait });
    return passwordForm(context, { old });
  }
  keepStaffToken(context, changed.done.token);
  const first = staffSession?.step === 'password';
  return context.redirect(first ? START : '/account', { kind: 'good', text: context.t('account.password-changed') });
}

async function totpForm(
  context: Context,
  { secret, uri }: { readonly secret: string; readonly uri: string },
  fault?: string,
): Promise<FastifyReply> {
  const title = context.t('account.totp-title');
  const spaced = secret.replace(/(.{4})(?=.)/g, '$1 ');
  const model = { title, secret, spaced, fault, qr: await qrSvg(uri, context.t('account.totp-qr')) };
  return context.page('admin/account/totp', model, {
    title,
    active: 'account',
    status: fault === undefined ? 200 : 422,
  });
}
