import type { Page } from 'playwright-core';
import type { WhatsAppStatus } from '#domain/whatsapp';
import type { Cast } from '#test/world/screenshots-people';
import { editPolicy, planPolicy } from '#test/world/screenshots-policy';

/** A picture is to load at once where the README is read. */
export const LARGEST_BYTES = 60_000;

export type Shot = {
  readonly name: string;
  readonly path: string;
  readonly who: 'nobody' | 'covered' | 'walled' | 'staff';
  readonly dark?: boolean;
  readonly height?: number;
  /** What WhatsApp is like meanwhile. */
  readonly whatsapp?: Partial<WhatsAppStatus>;
  /** The line the request comes from. */
  readonly address?: string;
  prepare?(page: Page): Promise<unknown>;
};

export const shotsOf = ({ walled, rejected }: Cast): readonly Shot[] => [
  { name: 'splash', path: '/prepaid/portal/splash', who: 'nobody', address: walled.address },
  {
    name: 'login',
    path: '/prepaid/portal/login',
    who: 'nobody',
    prepare: (page) => page.locator('#portalId').fill(walled.portalId),
  },
  { name: 'packages', path: '/prepaid/portal/packages', who: 'walled' },
  { name: 'order', path: `/prepaid/portal/orders/${walled.order}`, who: 'walled', dark: true },
  { name: 'home', path: '/prepaid/portal/home', who: 'covered', dark: true },
  { name: 'account', path: '/customer', who: 'covered', height: 1120 },
  { name: 'dashboard', path: '/prepaid/dashboard', who: 'staff', height: 1000 },
  { name: 'customers', path: '/prepaid/customers', who: 'staff' },
  { name: 'customer', path: `/customers/${rejected}`, who: 'staff', height: 1000 },
  { name: 'invoices', path: '/invoices', who: 'staff' },
  { name: 'policy', path: '/policy', who: 'staff', height: 760 },
  { name: 'policy-edit', path: '/policy/edit', who: 'staff', height: 800, prepare: editPolicy },
  { name: 'policy-plan', path: '/policy/edit', who: 'staff', height: 920, prepare: planPolicy },
  { name: 'redirect', path: '/prepaid/redirect', who: 'staff', height: 900 },
  { name: 'messages', path: '/messages', who: 'staff', height: 815 },
  { name: 'reports', path: '/prepaid/reports', who: 'staff' },
  {
    name: 'whatsapp',
    path: '/settings/whatsapp',
    who: 'staff',
    height: 705,
    whatsapp: {
      ...{ state: 'pairing', me: null, sentToday: 0 },
      qr: `2@${'kF3vQ9sLw7TzXb1N'.repeat(4)},${'Hn5Yc8RdPm2GaJ0e'.repeat(3)}`,
    },
  },
];
