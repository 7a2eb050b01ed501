import type { StaffRole } from '#storage/staff';

/**
 * What a route asks of a role: `see` lists and pages; `subscribers` add, edit, migrate, issue PINs; `money` sell, settle,
 * cancel; `sessions` end one, so that the line dials again; `plans` and speed profiles; `network` routers, lists; `policy` write, try and publish policies, take them back; `messages`; `settings`; `staff`; `audit`.
 */
export const PERMISSIONS = [
  'see',
  'subscribers',
  'money',
  'sessions',
  'plans',
  'network',
  'policy',
  'messages',
  'settings',
  'staff',
  'audit',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const ALLOWED: Readonly<Record<StaffRole, readonly Permission[]>> = {
  owner: PERMISSIONS,
  admin: PERMISSIONS,
  'customer-service': ['see', 'subscribers', 'money', 'sessions', 'messages'],
  technician: ['see', 'sessions', 'network'],
  'network-engineer': ['see', 'sessions', 'network', 'plans', 'policy'],
};

/** Whether the role may do that. What an admin may not do to owners, `mayManage` says. */
export function may(role: StaffRole, permission: Permission): boolean {
  return ALLOWED[role].includes(permission);
}

/** Whether somebody of this role may add, change or disable staff of that role: only owners make and change owners. */
export function mayManage(role: StaffRole, of: StaffRole): boolean {
  return may(role, 'staff') && (of !== 'owner' || role === 'owner');
}
