import type { Instant } from '#domain/time';
import { openPaymentWindow, windowOf } from '#operations/open-payment-window';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';
import { waitingIntent } from '#storage/payment-openings';

const PATH = '/customer/window';

/** Where a page of customers' leads back to when the form does not say. */
const HOME = '/customer';

/** What the partial `_window` shows. */
export type WindowModel = {
  /** Until when the line is open; null when it is not. */
  readonly openUntil: Instant | null;
  readonly minutes: number;
  readonly timesLeft: number;
  /** When none are left: from when on there are again. */
  readonly againFrom: Instant;
  readonly mayOpen: boolean;
  /** The page the form comes back to. */
  readonly back: string;
};

/**
 * The payment window on the page of a customer who is logged in: `{{#if window}}{{> _window window}}{{/if}}`. Null where
 * there is nothing to show: no payment waits at a gateway, or the line is not closed or is given no window.
 */
export async function windowModel(context: Context): Promise<WindowModel | null> {
  const { db, subscriberId, now } = context;
  if ((await waitingIntent(db, subscriberId, now)) === null) return null;
  const window = await windowOf(db, context.parts.zone, subscriberId, now);
  if (typeof window === 'string') return null;
  const { openUntil, minutes, timesLeft, nextFrom } = window;
  return {
    openUntil,
    minutes,
    timesLeft,
    againFrom: nextFrom,
    mayOpen: openUntil === null && timesLeft > 0,
    back: pageOf(context.request.url),
  };
}

/** Opens it, and leads back to the page that asked, where it stands open. */
export function windowPage(doors: Doors): void {
  doors.customer('POST', PATH, async (context) => {
    const back = pageOf(field(formOf(context.request.body), 'back'));
    const opened = await attempt(() => openPaymentWindow(context.desk, { subscriberId: context.subscriberId }));
    if (opened.faults !== undefined) {
      const text = opened.faults.map((fault) => context.said(fault)).join(' ');
      return context.redirect(back, { kind: 'bad', text });
    }
    const until = context.format.clock(opened.done.until);
    return context.redirect(back, { kind: 'good', text: context.t('window.opened', { until }) });
  });
}

/** A page of customers by its path alone: an address that comes from outside leads nowhere else. */
function pageOf(address: string): string {
  const path = address.split(/[?#]/, 1)[0]!;
  const ours = /^(\/customer|\/prepaid\/portal)(\/[\w-]+)*$/.test(path) && path !== PATH;
  // What scripts ask for is a part of a page.
  return ours ? path.replace(/\/state$/, '') : HOME;
}
