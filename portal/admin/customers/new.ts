import type { FastifyReply } from 'fastify';
import { addSubscriber } from '#operations/add-subscriber';
import { generateSecret } from '#operations/password-hash';
import {
  additionFaults,
  additionOf,
  type FormFaults,
  inWords,
  type Typed,
  typedIn,
} from '#portal/admin/customers/form';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, formOf } from '#portal/shared/forms';
import { nasIdsByName } from '#storage/nas';

/** Characters of a PPPoE password that we suggest: typed into a router by hand, so not longer than need be. */
const SUGGESTED_LENGTH = 10;

export function newCustomerPage(doors: Doors): void {
  doors.staff('GET', '/customers/new', 'subscribers', (context) => {
    const suggestion = { password: generateSecret(SUGGESTED_LENGTH), sessionLimit: '1', language: 'id' };
    return form(context, { ...typedIn({}), ...suggestion });
  });

  doors.staff('POST', '/customers/new', 'subscribers', async (context) => {
    const typed = typedIn(formOf(context.request.body));
    const input = additionOf(typed);
    const wrong = additionFaults(context, input);
    if (wrong !== null) return form(context, typed, wrong);
    const added = await attempt(() => addSubscriber(context.desk, input));
    if (added.faults !== undefined) return form(context, typed, inWords(context, added.faults));
    const text = context.t('customers.added', { name: typed.name === '' ? typed.username : typed.name });
    return context.redirect(`/customers/${added.done.id}`, { kind: 'good', text });
  });
}

async function form(context: Context, typed: Typed, faults?: FormFaults): Promise<FastifyReply> {
  const routers = [...(await nasIdsByName(context.db)).keys()].map((name) => ({ name, chosen: name === typed.nas }));
  const title = context.t('customers.new-title');
  const status = faults === undefined ? 200 : 422;
  const model = { title, typed, faults, routers, adding: true };
  return context.page('admin/customers/new', model, { title, active: 'customers', status });
}
