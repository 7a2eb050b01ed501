import type { FastifyReply } from 'fastify';
import { confirmPin } from '#operations/confirm-pin';
import { PinRefused, setPin } from '#operations/set-pin';
import { portalPath } from '#portal/customer/login/login';
import { COOKIES, type Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf } from '#portal/shared/forms';
import { tokenHash } from '#storage/web-sessions';

const HOME = '/prepaid/portal/home';
type FieldName = 'oldPin' | 'newPin' | 'again';
type Fault = { readonly field: FieldName; readonly text: string };

export function pinPage(doors: Doors): void {
  const halfway = { halfway: true } as const;

  doors.customer(
    'GET',
    '/prepaid/portal/pin',
    (context) => form(context, backOf(context.request.query), null),
    halfway,
  );

  doors.customer(
    'POST',
    '/prepaid/portal/pin',
    async (context) => {
      const given = formOf(context.request.body);
      const back = backOf(given);
      const pins = { oldPin: field(given, 'oldPin'), newPin: field(given, 'newPin') };
      const fault = field(given, 'again') === pins.newPin ? await change(context, pins) : differs(context);
      if (fault !== null) return form(context, back, fault);
      return context.redirect(back ?? HOME, { kind: 'good', text: context.t('pin.changed') });
    },
    halfway,
  );

  doors.customer(
    'POST',
    '/prepaid/portal/pin/keep',
    async (context) => {
      await confirmPin(context.desk, context.subscriberId);
      return context.redirect(backOf(formOf(context.request.body)) ?? HOME);
    },
    halfway,
  );
}

const backOf = (query: unknown): string | null => portalPath(field(formOf(query), 'back'));

const differs = (context: Context): Fault => ({ field: 'again', text: context.t('pin.differs') });

/** Null when it is changed. This browser stays logged in and known, all others do not. */
async function change(context: Context, pins: { oldPin: string; newPin: string }): Promise<Fault | null> {
  const { cookies } = context.request;
  const tokens = [cookies[COOKIES.portal], cookies[COOKIES.device]].filter((token) => token !== undefined);
  try {
    await setPin(context.desk, { subscriberId: context.subscriberId, ...pins, keep: tokens.map(tokenHash) });
    return null;
  } catch (error) {
    if (!(error instanceof PinRefused)) throw error;
    const { refusal } = error;
    const isOld = refusal === 'wrong-old' || refusal === 'too-many-tries';
    return { field: isOld ? 'oldPin' : 'newPin', text: context.t(`pin.${refusal}`) };
  }
}

async function form(context: Context, back: string | null, fault: Fault | null): Promise<FastifyReply> {
  const first = context.portalSession?.mustChangePin === true;
  const title = context.t(first ? 'pin.first-title' : 'pin.title');
  const model = { title, first, back, portalId: context.portalSession?.portalId, fields: fieldsOf(fault) };
  return context.page('customer/pin/pin', model, { title, status: fault === null ? 200 : 422 });
}

const FIELDS: readonly { readonly name: FieldName; readonly label: string; readonly autocomplete: string }[] = [
  { name: 'oldPin', label: 'pin.old', autocomplete: 'current-password' },
  { name: 'newPin', label: 'pin.new', autocomplete: 'new-password' },
  { name: 'again', label: 'pin.again', autocomplete: 'new-password' },
];

const fieldsOf = (fault: Fault | null) =>
  FIELDS.map((one) => ({
    ...one,
    fault: fault?.field === one.name ? fault.text : null,
    hint: one.name === 'newPin' ? 'pin.new-hint' : null,
  }));
