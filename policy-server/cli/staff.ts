import { printInstant } from '#domain/print';
import { faultsOf } from '#operations/input';
import {
  addStaff,
  addStaffSchema,
  disableStaff,
  enableStaff,
  resetStaffPassword,
  resetStaffTotp,
  staffIdOf,
} from '#operations/staff';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { table } from '#policy-server/cli/table';
import { listStaff, STAFF_ROLES } from '#storage/staff';

const addInput = (given: Given) => ({
  username: textOf(given, 'username'),
  name: textOf(given, 'name'),
  role: textOf(given, 'role'),
});

const WHO = [{ name: 'USERNAME', help: 'the user name of a member of staff' }] as const;

const oneTime = (username: string, password: string): string =>
  `One-time password of ${username}, shown this once: ${password}\nThe first login has to change it.`;

export const staffAdd: Command = {
  name: 'staff add',
  summary: 'Add a member of staff, with a one-time password',
  options: {
    username: { value: 'USERNAME', help: 'letters, digits and . _ @ -, for example siti' },
    name: { value: 'NAME', help: "the person's name" },
    role: { value: STAFF_ROLES.join('|'), help: 'what they may do' },
  },
  check: (given) => faultsOf(addStaffSchema, addInput(given)),
  run: async (desk, given) => {
    const added = await addStaff(desk, addInput(given));
    return { text: `${added.username} is added.\n${oneTime(added.username, added.password)}`, json: added };
  },
};

export const staffList: Command = {
  name: 'staff list',
  summary: 'List the staff',
  run: async ({ db, zone }) => {
    const staff = await listStaff(db);
    const when = (at: number | null, otherwise: string) => (at === null ? otherwise : printInstant(at, zone));
    const text = table(
      staff,
      [
        { title: 'USERNAME', cell: (one) => one.username },
        { title: 'NAME', cell: (one) => one.name },
        { title: 'ROLE', cell: (one) => one.role },
        { title: 'SECOND FACTOR', cell: (one) => (one.totpSince === null ? 'no' : 'yes') },
        { title: 'LAST SEEN', cell: (one) => when(one.seenAt, '-') },
        { title: 'DISABLED', cell: (one) => when(one.disabledAt, '-') },
      ],
      'There is no staff yet; the first start of the server makes the owner admin.',
    );
    return { text, json: staff };
  },
};

export const staffDisable: Command = {
  name: 'staff disable',
  summary: 'Log a member of staff out everywhere and refuse their logins',
  positionals: WHO,
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const { changed } = await disableStaff(desk, await staffIdOf(desk.db, username));
    const text = changed
      ? `${username} is disabled and logged out everywhere.\nTo undo: gerbang staff enable ${username}`
      : `${username} is disabled already; nothing was changed.`;
    return { text, json: { username, changed } };
  },
};

export const staffEnable: Command = {
  name: 'staff enable',
  summary: 'Let a member of staff log in again',
  positionals: WHO,
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const { changed } = await enableStaff(desk, await staffIdOf(desk.db, username));
    const text = changed ? `${username} may log in again.` : `${username} is not disabled; nothing was changed.`;
    return { text, json: { username, changed } };
  },
};

export const staffResetPassword: Command = {
  name: 'staff reset-password',
  summary: 'Give a member of staff a new one-time password and log them out everywhere',
  positionals: WHO,
  notes: ['It also forgets wrong tries at this account, so that they can log in at once.'],
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const reset = await resetStaffPassword(desk, await staffIdOf(desk.db, username));
    return { text: oneTime(reset.username, reset.password), json: reset };
  },
};

export const staffResetTotp: Command = {
  name: 'staff reset-totp',
  summary: 'Take the second factor of a member of staff away, for a lost telephone',
  positionals: WHO,
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const { changed } = await resetStaffTotp(desk, await staffIdOf(desk.db, username));
    const text = changed
      ? `${username} logs in by password alone until a second factor is set up anew.`
      : `${username} has no second factor; nothing was changed.`;
    return { text, json: { username, changed } };
  },
};
