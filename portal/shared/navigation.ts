import { may, type Permission } from '#operations/permissions';
import { type Language, words } from '#portal/shared/words';
import type { StaffRole } from '#storage/staff';

type Entry = { readonly key: string; readonly path: string; readonly icon: string; readonly may: Permission };

/** The staff's menu, in groups. A key is also the text `staff.nav-KEY`. */
const GROUPS: readonly { readonly key: string; readonly entries: readonly Entry[] }[] = [
  {
    key: 'prepaid',
    entries: [
      { key: 'dashboard', path: '/prepaid/dashboard', icon: 'home', may: 'see' },
      { key: 'prepaid-customers', path: '/prepaid/customers', icon: 'user', may: 'see' },
      { key: 'packages', path: '/prepaid/packages', icon: 'box', may: 'see' },
      { key: 'speed-profiles', path: '/prepaid/speed-profiles', icon: 'speed', may: 'see' },
      { key: 'redirect', path: '/prepaid/redirect', icon: 'list', may: 'see' },
      { key: 'subscriptions', path: '/prepaid/subscriptions', icon: 'clock', may: 'see' },
      { key: 'reports', path: '/prepaid/reports', icon: 'chart', may: 'see' },
    ],
  },
  {
    key: 'business',
    entries: [
      { key: 'customers', path: '/customers', icon: 'users', may: 'see' },
      { key: 'purchases', path: '/prepaid/purchases', icon: 'card', may: 'see' },
      { key: 'messages', path: '/messages', icon: 'chat', may: 'see' },
    ],
  },
  {
    key: 'money',
    entries: [
      { key: 'invoices', path: '/invoices', icon: 'bill', may: 'money' },
      { key: 'payments', path: '/payments', icon: 'coin', may: 'money' },
      { key: 'unmatched', path: '/payments/unmatched', icon: 'warning', may: 'money' },
      { key: 'promos', path: '/promos', icon: 'tag', may: 'money' },
      { key: 'ledger', path: '/ledger', icon: 'book', may: 'money' },
    ],
  },
  {
    key: 'house',
    entries: [
      { key: 'routers', path: '/settings/routers', icon: 'router', may: 'see' },
      { key: 'policy', path: '/policy', icon: 'branch', may: 'policy' },
      { key: 'settings', path: '/settings', icon: 'gear', may: 'settings' },
      { key: 'staff', path: '/staff', icon: 'shield', may: 'staff' },
      { key: 'audit', path: '/audit', icon: 'search', may: 'audit' },
    ],
  },
];

export type NavigationGroup = {
  readonly key: string;
  readonly title: string;
  readonly entries: readonly { path: string; icon: string; text: string; active: boolean }[];
};

/** What a role may see of the menu, with the entry of the present page marked. */
export function navigation(role: StaffRole, active: string | null, language: Language): NavigationGroup[] {
  return GROUPS.map((group) => ({
    key: group.key,
    title: words(language, `staff.nav-group-${group.key}`),
    entries: group.entries
      .filter((entry) => may(role, entry.may))
      .map((entry) => ({
        path: entry.path,
        icon: entry.icon,
        text: words(language, `staff.nav-${entry.key}`),
        active: entry.key === active,
      })),
  })).filter((group) => group.entries.length > 0);
}
