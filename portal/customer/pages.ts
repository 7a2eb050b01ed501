import { accountPage } from '#portal/customer/account/account';
import { autoPayPages } from '#portal/customer/autopay/autopay';
import { historyPage } from '#portal/customer/history/history';
import { homePage } from '#portal/customer/home/home';
import { invoicePages } from '#portal/customer/invoices/invoices';
import { portalLoginPage } from '#portal/customer/login/login';
import { orderPage } from '#portal/customer/order/order';
import { packagesPage } from '#portal/customer/packages/packages';
import { paymentPages } from '#portal/customer/payments/payments';
import { pinPage } from '#portal/customer/pin/pin';
import { splashPage } from '#portal/customer/splash/splash';
import { wifiPages } from '#portal/customer/wifi/wifi';
import { windowPage } from '#portal/customer/window/window';
import type { Doors } from '#portal/shared/doors';

/** Every page of customers, one folder each. */
export function customerPages(doors: Doors): void {
  splashPage(doors);
  portalLoginPage(doors);
  pinPage(doors);
  packagesPage(doors);
  orderPage(doors);
  homePage(doors);
  historyPage(doors);
  accountPage(doors);
  autoPayPages(doors);
  invoicePages(doors);
  paymentPages(doors);
  windowPage(doors);
  wifiPages(doors);
}
