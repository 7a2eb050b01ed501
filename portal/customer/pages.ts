import { historyPage } from '#portal/customer/history/history';
import { homePage } from '#portal/customer/home/home';
import { portalLoginPage } from '#portal/customer/login/login';
import { orderPage } from '#portal/customer/order/order';
import { packagesPage } from '#portal/customer/packages/packages';
import { pinPage } from '#portal/customer/pin/pin';
import { splashPage } from '#portal/customer/splash/splash';
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
}
