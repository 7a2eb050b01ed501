import type { FastifyReply } from 'fastify';
import { mayManage } from '#operations/permissions';
import {
  addStaff,
  disableStaff,
  editStaff,
  enableStaff,
  endStaffSessions,
  type OneTime,
  resetStaffPassword,
  resetStaffTotp,
} from '#operations/staff';
import { browserOf } from '#portal/admin/account/browser';
import { roleChoices, roleTable } from '#portal/admin/staff/roles';
import { COOKIES, type Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, rowNumber } from '#portal/shared/forms';
import { findStaff, type ListedStaff, listStaff, STAFF_ROLES, type StaffRole } from '#storage/staff';
import { countStaffSessions, listWebSessionsOf, tokenHash } from '#storage/web-sessions';

const PATH = '/staff';

/** Who works here, and what each may do. */
export function staffPage(doors: Doors): void {
  doors.staff('GET', PATH, 'staff', list);
  doors.staff('GET', `${PATH}/new`, 'staff', (context) => addForm(context, {}));
  doors.staff('POST', `${PATH}/new`, 'staff', add);
  doors.staff('GET', `${PATH}/:id`, 'staff', (context) => withPerson(context, (person) => personPage(context, person)));
  doors.staff('POST', `${PATH}/:id`, 'staff', (context) => withPerson(context, (person) => edit(context, person)));

  const act = (name: string, work: (context: Context, person: ListedStaff) => Promise<FastifyReply>) =>
    doors.staff('POST', `${PATH}/:id/${name}`, 'staff', (context) =>
      withPerson(context, async (person) => {
        const fault = refusal(context, person, await ownersOf(context), name === 'disable');
        return fault === null ? work(context, person) : personPage(context, person, { faults: [fault] });
      }),
    );
  act('disable', (context, person) => done(context, person, 'disabled', () => disableStaff(context.desk, person.id)));
  act('enable', (context, person) => done(context, person, 'enabled', () => enableStaff(context.desk, person.id)));
  act('totp', (context, person) => done(context, person, 'totp-reset', () => resetStaffTotp(context.desk, person.id)));
  act('sessions', (context, person) => {
    const key = field(formOf(context.request.body), 'key');
    return done(context, person, 'sessions-ended', () =>
      endStaffSessions(context.desk, person.id, key === 'all' ? null : key),
    );
  });
  act('password', async (context, person) => {
    const reset = await attempt(() => resetStaffPassword(context.desk, person.id));
    return reset.faults === undefined
      ? handed(context, reset.done, 'reset')
      : personPage(context, person, { faults: reset.faults });
  });
}

const shownName = ({ name, username }: Pick<ListedStaff, 'name' | 'username'>): string =>
  name === '' ? username : name;

async function withPerson(
  context: Context,
  work: (person: ListedStaff) => Promise<FastifyReply>,
): Promise<FastifyReply> {
  const id = rowNumber((context.request.params as { id: string }).id);
  const person = id === null ? null : await findStaff(context.db, { id });
  return person === null ? context.redirect(PATH, { kind: 'bad', text: context.t('staff-list.gone') }) : work(person);
}

/** The owners who can log in. */
async function ownersOf(context: Context): Promise<readonly number[]> {
  const all = await listStaff(context.db);
  return all.filter(({ role, disabledAt }) => role === 'owner' && disabledAt === null).map(({ id }) => id);
}

const isLastOwner = (person: ListedStaff, owners: readonly number[]): boolean =>
  owners.length === 1 && owners[0] === person.id;

/** Why somebody may not do a thing to this person, in the reader's words; null when they may. */
function refusal(context: Context, person: ListedStaff, owners: readonly number[], takesAway: boolean): string | null {
  if (takesAway && isLastOwner(person, owners)) return context.t('staff-list.last-owner', { name: shownName(person) });
  if (person.id === context.staff.id) return context.t('staff-list.is-you');
  return mayManage(context.staff.role, person.role) ? null : context.t('staff-list.above-you');
}

async function done(
  context: Context,
  person: ListedStaff,
  key: string,
  work: () => Promise<unknown>,
): Promise<FastifyReply> {
  const { faults } = await attempt(work);
  if (faults !== undefined) return personPage(context, person, { faults });
  const text = context.t(`staff-list.${key}`, { name: shownName(person) });
  return context.redirect(`${PATH}/${person.id}`, { kind: 'good', text });
}

async function list(context: Context): Promise<FastifyReply> {
  const [people, sessions] = await Promise.all([listStaff(context.db), countStaffSessions(context.db, context.now)]);
  const title = context.t('staff-list.title');
  const rows = people.map((person) => ({
    ...person,
    shown: shownName(person),
    roleText: context.t(`account.role-${person.role}`),
    sessions: sessions.get(person.id) ?? 0,
    isYou: person.id === context.staff.id,
    ...stateOf(context, person),
  }));
  // Who can log in stands before who cannot any more.
  rows.sort((one, other) => Number(one.disabledAt !== null) - Number(other.disabledAt !== null));
  return context.page('admin/staff/staff', { title, rows, roles: roleTable(context) }, { title, active: 'staff' });
}

function stateOf(context: Context, person: ListedStaff) {
  const key = person.disabledAt !== null ? 'disabled' : person.mustChangePassword ? 'waiting' : 'active';
  const tone = { disabled: 'bad', waiting: 'warn', active: 'good' }[key];
  return { tone, stateText: context.t(`staff-list.state-${key}`) };
}

async function addForm(
  context: Context,
  form: Form,
  faults?: { readonly of: Readonly<Record<string, string>>; readonly others: readonly string[] },
): Promise<FastifyReply> {
  const title = context.t('staff-list.new-title');
  const typed = { username: field(form, 'username'), name: field(form, 'name') };
  const model = { title, typed, faults, roles: roleChoices(context, field(form, 'role') || 'customer-service') };
  return context.page('admin/staff/new', model, { title, active: 'staff', status: faults === undefined ? 200 : 422 });
}

async function add(context: Context): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const given = { username: field(form, 'username'), name: field(form, 'name'), role: field(form, 'role') };
  const of: Record<string, string> = {};
  if (!/^[A-Za-z0-9._@-]{1,100}$/.test(given.username)) of.username = context.t('staff-list.fault-username');
  else if ((await findStaff(context.db, { username: given.username })) !== null)
    of.username = context.t('staff-list.fault-username-taken');
  if (!isPersonName(given.name)) of.name = context.t('staff-list.fault-name');
  if (roleIn(context, given.role) === null) of.role = context.t('staff-list.fault-role');
  if (Object.keys(of).length > 0) return addForm(context, form, { of, others: [] });
  const added = await attempt(() => addStaff(context.desk, given));
  return added.faults === undefined
    ? handed(context, added.done, 'added')
    : addForm(context, form, { of: {}, others: added.faults });
}

const isPersonName = (name: string): boolean => name.length <= 200 && !/\p{Cc}/u.test(name);

/** The role of a form, when whoever asks may give it. */
function roleIn(context: Context, given: string): StaffRole | null {
  const role = STAFF_ROLES.find((one) => one === given);
  return role !== undefined && mayManage(context.staff.role, role) ? role : null;
}

async function edit(context: Context, person: ListedStaff): Promise<FastifyReply> {
  const form = formOf(context.request.body);
  const [name, given] = [field(form, 'name'), field(form, 'role')];
  const owners = await ownersOf(context);
  const faults: string[] = [];
  if (!mayManage(context.staff.role, person.role)) faults.push(context.t('staff-list.above-you'));
  else if (given !== 'owner' && isLastOwner(person, owners))
    faults.push(context.t('staff-list.last-owner', { name: shownName(person) }));
  else if (roleIn(context, given) === null) faults.push(context.t('staff-list.fault-role'));
  if (!isPersonName(name)) faults.push(context.t('staff-list.fault-name'));
  if (faults.length > 0) return personPage(context, person, { faults, typed: { name, role: given } });
  const edited = await attempt(() => editStaff(context.desk, { id: person.id, name, role: given }));
  if (edited.faults !== undefined)
    return personPage(context, person, { faults: edited.faults, typed: { name, role: given } });
  const key = edited.done.changed.length === 0 ? 'nothing-changed' : 'saved';
  const text = context.t(`staff-list.${key}`, { name: name === '' ? person.username : name });
  // Who took the role away from themselves may not come back here.
  const still = person.id !== context.staff.id || given === context.staff.role;
  return context.redirect(still ? `${PATH}/${person.id}` : '/', { kind: 'good', text });
}

type Refused = {
  readonly faults?: readonly string[];
  readonly typed?: { readonly name: string; readonly role: string };
};

async function personPage(context: Context, person: ListedStaff, refused: Refused = {}): Promise<FastifyReply> {
  const { db, now, staff } = context;
  const [sessions, owners] = await Promise.all([listWebSessionsOf(db, person.id, now), ownersOf(context)]);
  const own = tokenHash(context.request.cookies[COOKIES.staff] ?? '').toString('hex');
  const title = shownName(person);
  const isYou = person.id === staff.id;
  const mayEdit = mayManage(staff.role, person.role);
  const lastOwner = isLastOwner(person, owners);
  return context.page(
    'admin/staff/person',
    {
      title,
      person,
      faults: refused.faults,
      typed: refused.typed ?? { name: person.name, role: person.role },
      roleText: context.t(`account.role-${person.role}`),
      roles: roleChoices(context, refused.typed?.role ?? person.role),
      isYou,
      lastOwner,
      aboveYou: !mayEdit,
      mayEdit,
      mayAct: mayEdit && !isYou,
      ...stateOf(context, person),
      sessions: sessions.map((one) => ({ ...one, browser: browserOf(one.userAgent), own: one.key === own })),
    },
    { title, active: 'staff', status: refused.faults === undefined ? 200 : 422 },
  );
}

/** Shows a one-time password: in the answer to the form and nowhere else. */
async function handed(context: Context, made: OneTime, how: 'added' | 'reset'): Promise<FastifyReply> {
  const title = context.t(`staff-list.handed-${how}`, { name: made.username });
  const address = `${context.publicUrl}/login`;
  return context.page('admin/staff/handed', { title, ...made, address }, { title, active: 'staff' });
}
