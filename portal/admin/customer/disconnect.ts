import type { FastifyReply } from 'fastify';
import { isEndWanted } from '#domain/reconcile';
import { HOUR } from '#domain/time';
import { disconnectSession } from '#operations/disconnect-session';
import { navigationKey, noSuchCustomer, profileOf, shownName } from '#portal/admin/customer/customer';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, field, formOf, wholeNumber } from '#portal/shared/forms';
import { type LiveSession, liveSessions } from '#storage/sessions';
import type { SubscriberProfile } from '#storage/subscriber-profile';

/** Ends a live session by hand, so that the line dials again: asked with a reason, done by enforcement. */
export function disconnectRoutes(doors: Doors): void {
  doors.staff('GET', '/customers/:id/disconnect/:session', 'sessions', (context) =>
    onSession(context, (profile, session) => form(context, profile, session)),
  );

  doors.staff('POST', '/customers/:id/disconnect/:session', 'sessions', (context) =>
    onSession(context, async (profile, session) => {
      const reason = field(formOf(context.request.body), 'reason');
      if (reason === '') return form(context, profile, session, [context.t('customer.disconnect-no-reason')]);
      const given = { username: profile.username, session: session.sessionId, reason };
      const asked = await attempt(() => disconnectSession(context.desk, given));
      if (asked.faults !== undefined) return form(context, profile, session, asked.faults, reason);
      context.opened.live.wakeEnforcement();
      return context.redirect(`/customers/${profile.id}`, {
        kind: 'good',
        text: context.t('customer.disconnect-asked'),
      });
    }),
  );

  doors.staff('GET', '/customers/:id/sessions', 'see', async (context) => {
    const profile = await profileOf(context);
    if (profile === null) return noSuchCustomer(context);
    return context.part(
      'admin/customer/_sessions',
      sessionsModel(context, profile, await liveSessions(context.db, [profile.id])),
    );
  });
}

type OnSession = (profile: SubscriberProfile, session: LiveSession) => Promise<FastifyReply>;

/** The session that the address names; one that has ended meanwhile needs no end. */
async function onSession(context: Context, work: OnSession): Promise<FastifyReply> {
  const profile = await profileOf(context);
  if (profile === null) return noSuchCustomer(context);
  const number = wholeNumber((context.request.params as { session: string }).session);
  const session = (await liveSessions(context.db, [profile.id])).find(({ sessionId }) => sessionId === number);
  if (session !== undefined) return work(profile, session);
  return context.redirect(`/customers/${profile.id}`, { kind: 'good', text: context.t('customer.disconnect-over') });
}

async function form(
  context: Context,
  profile: SubscriberProfile,
  session: LiveSession,
  faults?: readonly string[],
  reason = '',
): Promise<FastifyReply> {
  const title = context.t('customer.disconnect-title', { name: shownName(profile) });
  const model = { title, profile, session, uptime: context.now - session.startedAt, faults, reason };
  const status = faults === undefined ? 200 : 422;
  return context.page('admin/customer/disconnect', model, { title, active: navigationKey(profile), status });
}

/** How long it is said that a router did not end a session. */
const TOLD_MS = HOUR;

/** How an end that was asked for goes; null when nobody asked, or long ago. */
function endOf({ endAsked, endingSince }: LiveSession, now: number): 'asked' | 'ending' | 'in-vain' | null {
  if (endAsked !== null && isEndWanted(endAsked, now)) return 'asked';
  if (endingSince !== null) return 'ending';
  return endAsked !== null && now - endAsked.at < TOLD_MS ? 'in-vain' : null;
}

/** The live sessions of a line as its page shows them; `waits`: a router has still to answer. */
export function sessionsModel(context: Context, { id }: SubscriberProfile, sessions: readonly LiveSession[]) {
  const rows = sessions.map((session) => ({
    ...session,
    uptime: context.now - session.startedAt,
    end: endOf(session, context.now),
  }));
  return {
    id,
    rows: rows.map((row) => ({ ...row, mayEnd: context.allowed('sessions') && row.end !== 'asked' })),
    // The page is loaded again when this changes: what came of it then stands on the timeline.
    key: rows.map(({ sessionId, end }) => `${sessionId} ${end ?? ''}`).join(', '),
    waits: rows.some(({ end }) => end === 'asked' || end === 'ending'),
  };
}
