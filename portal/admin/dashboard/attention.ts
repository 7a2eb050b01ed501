import { DAY } from '#domain/time';
import type { Permission } from '#operations/permissions';
import { rolloutStatus } from '#operations/publish-policy';
import { gardensLacking } from '#portal/admin/routers/garden';
import type { Context } from '#portal/shared/context';
import { hasWords } from '#portal/shared/words';
import { attention } from '#storage/dashboard';

/** Something that somebody should look at, with the one thing to do about it. */
export type AttentionItem = {
  readonly tone: 'warn' | 'bad';
  readonly text: string;
  readonly act: string;
  readonly href: string;
};

/** States of the WhatsApp line in which messages wait for somebody. */
const WHATSAPP_TROUBLE = ['unpaired', 'logged-out', 'replaced', 'blocked', 'missing'];

/** A roll-out that stopped by itself is told of for so long, or until another one begins. */
const STOPPED_ROLLOUT_DAYS = 7;

/** The worst first; empty when all is well. What the role cannot open is told without its link. */
export async function attentionItems(context: Context): Promise<readonly AttentionItem[]> {
  const { db, now, opened } = context;
  const [found, checks, lacking, rollout] = await Promise.all([
    attention(db, now),
    opened.live.readiness(),
    gardensLacking(context),
    rolloutStatus(db),
  ]);
  const whatsapp = opened.live.whatsapp.status();
  const items: AttentionItem[] = [];
  const add = (
    tone: AttentionItem['tone'],
    key: string,
    values: Record<string, string | number>,
    href: string,
    may: Permission,
  ) =>
    items.push({
      tone,
      text: context.t(`dashboard.attention-${key}`, values),
      act: context.t(`dashboard.act-${key}`),
      href: context.allowed(may) ? href : '',
    });
  for (const [name, { ok, says }] of Object.entries(checks))
    if (!ok) add('bad', 'part', { name: partName(context, name), says: context.said(says) }, '/readyz', 'settings');
  const { unmatched } = found;
  if (unmatched.count > 0) {
    const values = {
      count: unmatched.count,
      amount: context.format.rupiah(unmatched.rupiah),
      ago: context.format.ago(unmatched.since!),
    };
    add('bad', 'unmatched', values, '/payments/unmatched', 'money');
  }
  if (found.stuckRefunds > 0) add('warn', 'refunds', { count: found.stuckRefunds }, '/payments?back=waiting', 'money');
  for (const { name, heardAt } of found.silentRouters)
    add('bad', 'silent-router', { name, ago: context.format.ago(heardAt) }, '/settings/routers', 'see');
  for (const { name, error } of found.apiErrors)
    add('bad', 'api-error', { name, error: context.said(error) }, '/settings/routers', 'see');
  if (found.overdueEnforcement > 0)
    add('bad', 'overdue', { count: found.overdueEnforcement }, '/prepaid/redirect', 'see');
  if (whatsapp.transport !== 'off' && WHATSAPP_TROUBLE.includes(whatsapp.state))
    add('bad', `whatsapp-${whatsapp.state}`, {}, '/settings/whatsapp', 'settings');
  if (rollout?.stage === 'stopped' && rollout.endedAt! > now - STOPPED_ROLLOUT_DAYS * DAY)
    add('bad', 'rollout', { revision: rollout.to, reason: context.said(rollout.reason ?? '') }, '/policy', 'policy');
  if (lacking.size > 0) add('warn', 'script', { count: lacking.size }, '/prepaid/redirect', 'see');
  if (found.failedMessages > 0)
    add('warn', 'failed-messages', { count: found.failedMessages }, '/messages?state=failed', 'see');
  if (found.waitingPurchases > 0)
    add('warn', 'waiting', { count: found.waitingPurchases }, '/prepaid/purchases?state=waiting', 'see');
  return items;
}

/** A part of the node as people call it; one that is newer than its words by its own name. */
const partName = (context: Context, part: string): string =>
  hasWords(context.language, `dashboard.part-${part}`) ? context.t(`dashboard.part-${part}`) : part;
