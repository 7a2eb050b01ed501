import type { FastifyReply } from 'fastify';
import { issuePin } from '#operations/issue-pin';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { previewMigration } from '#operations/preview-migration';
import { resume } from '#operations/resume';
import { suspend } from '#operations/suspend';
import { undoPrepaid } from '#operations/undo-prepaid';
import { navigationKey, noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import { slipOf } from '#portal/admin/customer/slip';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf } from '#portal/shared/forms';
import { grantsOf } from '#storage/grants';
import type { SubscriberProfile } from '#storage/subscriber-profile';

/** What staff do to one line: the moves to and from prepaid, the PIN, suspension. */
export function actRoutes(doors: Doors): void {
  doors.staff('GET', '/customers/:id/migrate', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    return profile.billing === 'prepaid'
      ? back(context, profile, 'bad', 'customer.is-prepaid')
      : migrateForm(context, profile);
  });

  doors.staff('POST', '/customers/:id/migrate', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const { moved, skipped } = await migrateToPrepaid(context.desk, [profile.id]);
    context.opened.live.wakeEnforcement();
    const [made] = moved;
    if (made !== undefined) return handed(context, profile, made, 'migrated');
    if (profile.billing === 'prepaid') return back(context, profile, 'bad', 'customer.is-prepaid');
    const text = context.t('customer.not-migrated', { why: context.said(skipped[0]?.why ?? '') });
    return context.redirect(`/customers/${profile.id}`, { kind: 'bad', text });
  });

  doors.staff('GET', '/customers/:id/undo', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    return profile.billing === 'postpaid'
      ? back(context, profile, 'bad', 'customer.is-postpaid')
      : undoForm(context, profile);
  });

  doors.staff('POST', '/customers/:id/undo', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const undone = await attempt(() => undoPrepaid(context.desk, profile.id));
    if (undone.faults !== undefined) return back(context, profile, 'bad', 'customer.is-postpaid');
    context.opened.live.wakeEnforcement();
    const text = context.t('customer.undone', { count: undone.done.givenBack.length });
    return context.redirect(`/customers/${profile.id}`, { kind: 'good', text });
  });

  doors.staff('GET', '/customers/:id/pin', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const title = context.t(profile.portalAccount === null ? 'customer.make-pin' : 'customer.new-pin');
    return context.page(
      'admin/customer/pin',
      { title, profile, shown: shownName(profile) },
      { title, active: navigationKey(profile) },
    );
  });

  doors.staff('POST', '/customers/:id/pin', 'subscribers', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    const send = field(formOf(context.request.body), 'send') === 'yes';
    return handed(context, profile, await issuePin(context.desk, profile.id, { send }), send ? 'sent' : 'made');
  });

  for (const [act, does] of [
    ['suspend', suspend],
    ['resume', resume],
  ] as const) {
    doors.staff('POST', `/customers/:id/${act}`, 'subscribers', async (context) => {
      const profile = await profileOf(context);
      if (profile === null) return noSuchCustomer(context);
      await does(context.desk, profile.username);
      context.opened.live.wakeEnforcement();
      return back(context, profile, 'good', `customer.did-${act}`);
    });
  }
}

function back(context: Context, profile: SubscriberProfile, kind: 'good' | 'bad', key: string): FastifyReply {
  return context.redirect(`/customers/${profile.id}`, { kind, text: context.t(key, { name: shownName(profile) }) });
}

async function migrateForm(context: Context, profile: SubscriberProfile): Promise<FastifyReply> {
  const preview = await previewMigration(context.desk, [profile.id]);
  const title = context.t('customer.migrate-title', { name: shownName(profile) });
  const model = { title, profile, preview, withoutPhone: preview.withoutPhone > 0 };
  return context.page('admin/customer/migrate', model, { title, active: 'customers' });
}

async function undoForm(context: Context, profile: SubscriberProfile): Promise<FastifyReply> {
  const revoked = new Set(profile.standingMove?.revokedGrants);
  const returning = (await grantsOf(context.db, profile.id)).filter(
    (grant) => revoked.has(grant.id) && grant.until > context.now,
  );
  const title = context.t('customer.undo-title', { name: shownName(profile) });
  return context.page('admin/customer/undo', { title, profile, returning }, { title, active: 'prepaid-customers' });
}

type Made = { readonly portalId: string; readonly pin: string; readonly messageQueued: boolean };

/**
 * Shows a PIN that was just made: in the answer to the form and nowhere else, so that no address, cookie or history of
 * the browser ever holds it.
 */
async function handed(
  context: Context,
  profile: SubscriberProfile,
  made: Made,
  how: 'migrated' | 'sent' | 'made',
): Promise<FastifyReply> {
  const { id, name, username, phone } = profile;
  const { portalId, pin, messageQueued } = made;
  const title = context.t(`customer.handed-${how}`, { name: shownName(profile) });
  const whatsapp = context.opened.live.whatsapp.status();
  const connected = whatsapp.state === 'connected';
  return context.page(
    'admin/customer/handed',
    {
      title,
      id,
      phone,
      messageQueued,
      wanted: how !== 'made',
      connected,
      slip: await slipOf(context, { name, username, portalId, pin }),
    },
    { title, active: 'prepaid-customers' },
  );
}
