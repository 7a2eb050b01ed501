import { accountPage } from '#portal/admin/account/account';
import { customerPage } from '#portal/admin/customer/customer';
import { customersPage } from '#portal/admin/customers/customers';
import { importPage } from '#portal/admin/customers/import';
import { importMikrotikPage } from '#portal/admin/customers/import-mikrotik';
import { newCustomerPage } from '#portal/admin/customers/new';
import { dashboardPage } from '#portal/admin/dashboard/dashboard';
import { jobsPage } from '#portal/admin/jobs/jobs';
import { loginPage } from '#portal/admin/login/login';
import { migratePage } from '#portal/admin/migrate/migrate';
import { purchasesPage } from '#portal/admin/purchases/purchases';
import { subscriptionsPage } from '#portal/admin/subscriptions/subscriptions';
import type { Doors } from '#portal/shared/doors';

/** Every page of staff, one folder each. */
export function adminPages(doors: Doors): void {
  const tasks = jobsPage(doors);
  loginPage(doors);
  accountPage(doors);
  dashboardPage(doors);
  customersPage(doors, tasks);
  newCustomerPage(doors);
  importPage(doors, tasks);
  importMikrotikPage(doors, tasks);
  migratePage(doors, tasks);
  customerPage(doors);
  subscriptionsPage(doors);
  purchasesPage(doors);
}
