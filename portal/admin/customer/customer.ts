import type { FastifyReply } from 'fastify';
import { isSecret } from '#domain/notices';
import { internationalDigits } from '#domain/phone';
import { toldEnd } from '#domain/proration';
import { DAY, localDate } from '#domain/time';
import { actRoutes } from '#portal/admin/customer/acts';
import { billsOf, creditRoutes } from '#portal/admin/customer/bills';
import { disconnectRoutes, sessionsModel } from '#portal/admin/customer/disconnect';
import { editRoutes } from '#portal/admin/customer/edit';
import { messageReason, methodWords, SHOWS, type Show, timelinePage } from '#portal/admin/customer/events';
import { ontCard, ontRoutes } from '#portal/admin/customer/ont';
import { sellRoutes } from '#portal/admin/customer/sell';
import { sentenceOf } from '#portal/admin/customer/sentence';
import { subscriptionModel, subscriptionRoutes } from '#portal/admin/customer/subscription';
import { STANDING_TONES } from '#portal/admin/customers/customers';
import { listAddress } from '#portal/admin/customers/listing';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf, wholeNumber } from '#portal/shared/forms';
import { moneyReasons } from '#portal/shared/money-reason';
import { grantsOf, type ListedGrant } from '#storage/grants';
import { usageByDay } from '#storage/history';
import { messageState, messagesOf } from '#storage/messages';
import { type Purchase, purchasesOf } from '#storage/purchases';
import { liveSessions } from '#storage/sessions';
import { type SubscriberProfile, subscriberProfile } from '#storage/subscriber-profile';
import { whyOffline } from '#storage/timeline';

const USAGE_DAYS = 30;
const PURCHASES_SHOWN = 5;
const MESSAGES_LOOKED_AT = 20;
/** Without scripts, while a router has still to answer. */
const REFRESH_SECONDS = 5;

/** The page of one subscriber: how the line is and why, what was bought, and everything that happened. */
export function customerPage(doors: Doors): void {
  doors.staff('GET', '/customers/:id', 'see', async (context) => {
    const profile = await profileOf(context);
    return profile === null ? noSuchCustomer(context) : customer(context, profile);
  });
  doors.staff('GET', '/prepaid/customers/:id', 'see', async (context) => {
    const { id } = context.request.params as { id: string };
    return context.redirect(wholeNumber(id) === null ? '/prepaid/customers' : `/customers/${id}`);
  });
  sellRoutes(doors);
  creditRoutes(doors);
  subscriptionRoutes(doors);
  actRoutes(doors);
  editRoutes(doors);
  disconnectRoutes(doors);
  ontRoutes(doors);
}

/** The subscriber whose number stands in the address; null when there is nobody of it. */
export async function profileOf(context: Context): Promise<SubscriberProfile | null> {
  const id = wholeNumber((context.request.params as { id: string }).id);
  return id === null ? null : subscriberProfile(context.db, id);
}

export async function noSuchCustomer(context: Context): Promise<FastifyReply> {
  const title = context.t('customer.none-title');
  return context.page(
    'shared/message',
    { title, text: context.t('customer.none') },
    { title, active: 'customers', status: 404 },
  );
}

export const shownName = ({ name, username }: { readonly name: string; readonly username: string }): string =>
  name === '' ? username : name;

export const navigationKey = ({ billing }: Pick<SubscriberProfile, 'billing'>): string =>
  billing === 'prepaid' ? 'prepaid-customers' : 'customers';

async function customer(context: Context, profile: SubscriberProfile): Promise<FastifyReply> {
  const { db, now } = context;
  const { id } = profile;
  const query = formOf(context.request.query);
  const show = (Object.keys(SHOWS) as Show[]).find((one) => one === field(query, 'show')) ?? null;
  const before = field(query, 'before') || null;
  const [bills, subscription, money, why, grants, purchases, sessions, usage, messages, events, ont] =
    await Promise.all([
      billsOf(context, id),
      subscriptionModel(context, profile),
      moneyReasons(context, [id]),
      whyOffline(db, id, now),
      grantsOf(db, id),
      purchasesOf(db, id, PURCHASES_SHOWN, now),
      liveSessions(db, [id]),
      usageOf(context, id),
      messagesOf(db, id, MESSAGES_LOOKED_AT),
      timelinePage(context, id, show, before),
      ontCard(context, profile),
    ]);
  if (why === null) return noSuchCustomer(context);
  const { bought } = why;
  const shownSessions = sessionsModel(context, profile, sessions);
  const title = shownName(profile);
  const pinMessage = messages.find((message) => isSecret(message.notice));
  const told = (grant: ListedGrant): ListedGrant => {
    const running = subscription?.running;
    return running?.grantId === grant.id ? { ...grant, until: toldEnd(grant.until, running.nextAt, now) } : grant;
  };
  const standing = grants.filter((grant) => grant.revokedAt === null && grant.until > now).map(told);
  return context.page(
    'admin/customer/customer',
    {
      title,
      profile,
      sentence: sentenceOf(context, profile, why, money.get(id) ?? null),
      bought: {
        ...bought,
        tone: STANDING_TONES[bought.standing],
        text: context.t(`customers.standing-${bought.standing}`),
        covered: ['active', 'ends-soon', 'depleted'].includes(bought.standing),
        ...quotaOf(bought),
      },
      subscription,
      bills,
      grants: standing.map((grant) => grantRow(grant, now)),
      single: standing.length === 1 ? standing[0] : null,
      sessions: shownSessions,
      ont,
      usage,
      purchases: purchases.map((purchase) => purchaseRow(context, purchase)),
      waiting: purchases.filter(({ state }) => state === 'waiting'),
      pin: pinOf(context, profile, pinMessage),
      chat: chatLink(profile),
      shows: showChips(context, id, show),
      events,
      olderHref: events.older === null ? null : address(id, show, events.older),
      newest: before === null,
      newestHref: address(id, show, null),
      may: { edit: context.allowed('subscribers'), sell: context.allowed('money') },
    },
    { title, active: navigationKey(profile), ...(shownSessions.waits ? { refreshSeconds: REFRESH_SECONDS } : {}) },
  );
}

function quotaOf({
  leftBytes,
  allowanceBytes,
}: {
  readonly leftBytes: number | null;
  readonly allowanceBytes: number | null;
}) {
  if (leftBytes === null || allowanceBytes === null || allowanceBytes === 0) return { percentLeft: null };
  const percentLeft = Math.round((leftBytes / allowanceBytes) * 100);
  return { percentLeft, meter: leftBytes === 0 ? 'spent' : percentLeft <= 20 ? 'low' : '' };
}

const grantRow = (grant: ListedGrant, now: number) => ({ ...grant, toCome: grant.from > now });

function purchaseRow(context: Context, purchase: Purchase) {
  return {
    ...purchase,
    stateText: context.t(`purchases.state-${purchase.state}`),
    tone: { done: 'good', waiting: 'warn', expired: '', cancelled: '' }[purchase.state],
    paid: purchase.payments.map(({ method }) => methodWords(context, method)).join(', '),
  };
}

async function usageOf(context: Context, id: number) {
  const { db, now, parts } = context;
  const days = Array.from({ length: USAGE_DAYS }, (_, back) =>
    localDate(now - (USAGE_DAYS - 1 - back) * DAY, parts.zone),
  );
  const used = new Map((await usageByDay(db, id, days[0]!, days.at(-1)!)).map((row) => [row.day, row]));
  const bars = days.map((day, at) => {
    const { downBytes = 0, upBytes = 0 } = used.get(day) ?? {};
    const value = downBytes + upBytes;
    const date = context.format.date(now - (USAGE_DAYS - 1 - at) * DAY);
    return { value, title: `${date}: ${context.format.bytes(value)}` };
  });
  const total = bars.reduce((sum, { value }) => sum + value, 0);
  return { bars, total, from: now - (USAGE_DAYS - 1) * DAY, to: now };
}

/** How the subscriber stands with the portal, and what became of the message that tells the PIN. */
function pinOf(
  context: Context,
  { portalAccount }: SubscriberProfile,
  message: Awaited<ReturnType<typeof messagesOf>>[number] | undefined,
) {
  if (portalAccount === null) return null;
  const { failures, mustChangePin, issuedAt, lastLogin } = portalAccount;
  const state = message === undefined ? null : messageState(message);
  const tone = { failed: 'bad', delivered: 'good', read: 'good', queued: '', sent: '', cancelled: '' };
  return {
    issuedAt,
    lastLogin,
    text: context.t(failures >= 10 ? 'customer.pin-locked' : mustChangePin ? 'customer.pin-new' : 'customer.pin-own'),
    failures,
    message:
      message === undefined || state === null
        ? null
        : {
            state: context.t(`customer.message-${state}`),
            tone: tone[state],
            at: message.readAt ?? message.deliveredAt ?? message.failedAt ?? message.sentAt ?? message.queuedAt,
            reason: messageReason(context, message.failure ?? message.waitingFor),
            unsure: mustChangePin && state !== 'delivered' && state !== 'read',
          },
  };
}

/** Opens WhatsApp of staff with the subscriber's number; null without a usable one. */
function chatLink({ phone }: SubscriberProfile): string | null {
  const digits = phone === null ? null : internationalDigits(phone);
  return digits === null ? null : `https://wa.me/${digits}`;
}

function address(id: number, show: Show | null, before: string | null): string {
  return `${listAddress(`/customers/${id}`, { show, before })}#timeline`;
}

function showChips(context: Context, id: number, chosen: Show | null) {
  return [null, ...(Object.keys(SHOWS) as Show[])].map((show) => ({
    text: context.t(`customer.show-${show ?? 'all'}`),
    href: address(id, show, null),
    current: show === chosen,
  }));
}
