import type { FastifyReply } from 'fastify';
import { deleteSpeedProfile, saveSpeedProfile } from '#operations/speed-profiles';
import type { FormFaults } from '#portal/admin/customers/form';
import {
  burstWords,
  faultsInBurst,
  isName,
  profileFault,
  rateWords,
  speedFaults,
  speedsInput,
  speedsTyped,
  type TypedSpeeds,
  typedSpeeds,
} from '#portal/admin/speed-profiles/speeds';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, rowNumber } from '#portal/shared/forms';
import { findSpeedProfile, type ListedSpeedProfile, listSpeedProfiles } from '#storage/speed-profiles';

const PATH = '/prepaid/speed-profiles';

/** Speeds to choose from when a package is made. */
export function speedProfilesPage(doors: Doors): void {
  doors.staff('GET', PATH, 'see', list);
  doors.staff('GET', `${PATH}/new`, 'plans', (context) => profileForm(context, null, typedIn({})));
  doors.staff('POST', `${PATH}/new`, 'plans', (context) => save(context, null));

  doors.staff('GET', `${PATH}/:id`, 'plans', async (context) => {
    const found = await profileOf(context);
    if (found === null) return gone(context);
    const typed = { name: found.name, profile: found.profile ?? '', ...speedsTyped(found.rate) };
    return profileForm(context, found, typed);
  });
  doors.staff('POST', `${PATH}/:id`, 'plans', async (context) => {
    const found = await profileOf(context);
    return found === null ? gone(context) : save(context, found);
  });
  doors.staff('POST', `${PATH}/:id/delete`, 'plans', async (context) => {
    const found = await profileOf(context);
    if (found === null) return gone(context);
    const deleted = await attempt(() => deleteSpeedProfile(context.desk, found.id));
    if (deleted.faults !== undefined) return gone(context);
    return context.redirect(PATH, { kind: 'good', text: context.t('speed-profiles.deleted', { name: found.name }) });
  });
}

/** The profile of the address, with how many packages take their speeds from it. */
async function profileOf(context: Context): Promise<ListedSpeedProfile | null> {
  const id = rowNumber((context.request.params as { id: string }).id);
  if (id === null || (await findSpeedProfile(context.db, id)) === null) return null;
  return (await listSpeedProfiles(context.db)).find((one) => one.id === id) ?? null;
}

const gone = (context: Context): FastifyReply =>
  context.redirect(PATH, { kind: 'bad', text: context.t('speed-profiles.gone') });

async function list(context: Context): Promise<FastifyReply> {
  const profiles = await listSpeedProfiles(context.db);
  const title = context.t('speed-profiles.title');
  const rows = profiles.map((one) => ({
    ...one,
    rateText: rateWords(context, one.rate),
    burst: burstWords(context, one.rate),
  }));
  const model = { title, rows, mayEdit: context.allowed('plans') };
  return context.page('admin/speed-profiles/speed-profiles', model, { title, active: 'speed-profiles' });
}

type Typed = TypedSpeeds & { readonly name: string; readonly profile: string };

const typedIn = (form: Form): Typed => ({
  name: field(form, 'name'),
  profile: field(form, 'profile'),
  ...typedSpeeds(form),
});

async function save(context: Context, found: ListedSpeedProfile | null): Promise<FastifyReply> {
  const typed = typedIn(formOf(context.request.body));
  const of = speedFaults(context, typed);
  if (!isName(typed.name)) of.name = context.t('speed-profiles.fault-name');
  const wrong = profileFault(context, typed.profile);
  if (wrong !== null) of.profile = wrong;
  if (Object.keys(of).length > 0) return profileForm(context, found, typed, { of, others: [] });
  const { name, profile } = typed;
  const id = found?.id ?? null;
  const saved = await attempt(() => saveSpeedProfile(context.desk, { id, name, profile, ...speedsInput(typed) }));
  if (saved.faults !== undefined) {
    const taken = saved.faults.some((line) => line.includes('belongs to another'));
    const faults = taken
      ? { of: { name: context.t('speed-profiles.fault-name-taken') }, others: [] }
      : { of: {}, others: saved.faults };
    return profileForm(context, found, typed, faults);
  }
  const slow = saved.done.warnings.length > 0;
  const text = context.t(slow ? 'speed-profiles.saved-slow' : 'speed-profiles.saved', { name });
  return context.redirect(PATH, { kind: slow ? 'bad' : 'good', text });
}

async function profileForm(
  context: Context,
  found: ListedSpeedProfile | null,
  typed: Typed,
  faults?: FormFaults,
): Promise<FastifyReply> {
  const title =
    found === null
      ? context.t('speed-profiles.new-title')
      : context.t('speed-profiles.edit-title', { name: found.name });
  const model = { title, typed, faults, found, burstOpen: typed.burstDown !== '' || faultsInBurst(faults) };
  const status = faults === undefined ? 200 : 422;
  return context.page('admin/speed-profiles/form', model, { title, active: 'speed-profiles', status });
}
