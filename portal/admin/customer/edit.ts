import type { FastifyReply } from 'fastify';
import { editSubscriber } from '#operations/edit-subscriber';
import { navigationKey, noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import { editOf, type FormFaults, inWords, type Typed, typedIn } from '#portal/admin/customers/form';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, formOf } from '#portal/shared/forms';
import { nasIdsByName } from '#storage/nas';
import type { SubscriberProfile } from '#storage/subscriber-profile';

export function editRoutes(doors: Doors): void {
  doors.staff('GET', '/customers/:id/edit', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    return profile === null ? noSuchCustomer(context) : editForm(context, profile, typedOf(profile));
  });

  doors.staff('POST', '/customers/:id/edit', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const typed: Typed = { ...typedIn(formOf(context.request.body)), access: profile.access };
    const edited = await attempt(() => editSubscriber(context.desk, editOf(profile.id, profile.access, typed)));
    if (edited.faults !== undefined) return editForm(context, profile, typed, inWords(context, edited.faults));
    const { changed } = edited.done;
    const text = context.t(changed.length === 0 ? 'customer.nothing-changed' : 'customer.saved', {
      count: changed.length,
    });
    return context.redirect(`/customers/${profile.id}`, { kind: 'good', text });
  });
}

function typedOf(profile: SubscriberProfile): Typed {
  const { username, name, phone, address, notes, tags, language, billing, access, mac, sessionLimit, staticIp, nas } =
    profile;
  return {
    ...{ username, name, address, notes, language, billing, access },
    password: '',
    phone: phone ?? '',
    tags: tags.join(' '),
    mac: mac ?? '',
    sessionLimit: String(sessionLimit),
    staticIp: staticIp ?? '',
    nas: nas?.name ?? '',
    addresses: profile.staticAddresses.map((one) => one.address).join('\n'),
  };
}

async function editForm(
  context: Context,
  profile: SubscriberProfile,
  typed: Typed,
  faults?: FormFaults,
): Promise<FastifyReply> {
  const routers = [...(await nasIdsByName(context.db)).keys()].map((name) => ({ name, chosen: name === typed.nas }));
  const title = context.t('customer.edit-title', { name: shownName(profile) });
  const status = faults === undefined ? 200 : 422;
  const model = { title, id: profile.id, typed, faults, routers, adding: false };
  return context.page('admin/customer/edit', model, { title, active: navigationKey(profile), status });
}
