import { may, mayManage, type Permission } from '#operations/permissions';
import type { Context } from '#portal/shared/context';
import { STAFF_ROLES } from '#storage/staff';

const PERMISSIONS: readonly Permission[] = [
  'see',
  'subscribers',
  'money',
  'messages',
  'plans',
  'network',
  'policy',
  'settings',
  'staff',
  'audit',
];

/** What each role may do, as a table: one line for each permission. */
export function roleTable(context: Context) {
  return {
    heads: STAFF_ROLES.map((role) => context.t(`account.role-${role}`)),
    lines: PERMISSIONS.map((permission) => ({
      text: context.t(`staff-list.may-${permission}`),
      cells: STAFF_ROLES.map((role) => ({
        role: context.t(`account.role-${role}`),
        // An admin manages everybody but owners.
        some: permission === 'staff' && may(role, permission) && !mayManage(role, 'owner'),
        yes: may(role, permission),
      })),
    })),
  };
}

/** The roles that whoever asks may give, with what each is for. */
export function roleChoices(context: Context, chosen: string) {
  return STAFF_ROLES.filter((role) => mayManage(context.staff.role, role) || role === chosen).map((role) => ({
    key: role,
    text: context.t(`account.role-${role}`),
    hint: context.t(`staff-list.role-${role}`),
    chosen: role === chosen,
  }));
}
