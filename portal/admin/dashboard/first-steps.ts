import { SETTINGS } from '#domain/settings';
import type { Permission } from '#operations/permissions';
import type { Context } from '#portal/shared/context';
import { subscriberIdsMatching } from '#storage/lists';
import { nasIdsByName } from '#storage/nas';
import { planNames } from '#storage/plans';

export type Step = {
  /** From 1. */
  readonly place: number;
  readonly title: string;
  readonly text: string;
  readonly done: boolean;
  readonly links: readonly { readonly href: string; readonly text: string }[];
};

/**
 * What is needed before the first customer is served, and what of it is done. `missing`: a step without which nobody is
 * served is not; `nobodyYet`: there is no subscriber at all, so figures would say nothing.
 */
export async function firstSteps(
  context: Context,
): Promise<{ readonly list: readonly Step[]; readonly missing: boolean; readonly nobodyYet: boolean }> {
  const { db, opened, now } = context;
  const [routers, plans, subscribers, settings] = await Promise.all([
    nasIdsByName(db),
    planNames(db),
    subscriberIdsMatching(db, {}, now, 1),
    opened.settings(),
  ]);
  const { company, whatsapp } = settings;
  const step = (
    key: string,
    done: boolean,
    may: Permission,
    ...links: readonly (readonly [string, string])[]
  ): Omit<Step, 'place'> => ({
    title: context.t(`dashboard.step-${key}`),
    text: context.t(`dashboard.step-${key}-text`),
    done,
    links: context.allowed(may) ? links.map(([href, word]) => ({ href, text: context.t(`dashboard.do-${word}`) })) : [],
  });
  const named = company.name !== SETTINGS.company.parse({}).name && company.phone !== null;
  const list = [
    step('company', named, 'settings', ['/settings', 'settings']),
    step('router', routers.size > 0, 'network', ['/settings/routers', 'router']),
    step('package', plans.length > 0, 'plans', ['/prepaid/packages', 'package']),
    step(
      'customers',
      subscribers.length > 0,
      'subscribers',
      ['/customers/import-mikrotik', 'import-mikrotik'],
      ['/customers/import', 'import-csv'],
      ['/customers/new', 'add'],
    ),
    step('whatsapp', whatsapp.transport !== 'off', 'settings', ['/settings/whatsapp', 'whatsapp']),
  ];
  return {
    list: list.map((one, at) => ({ ...one, place: at + 1 })),
    missing: routers.size === 0 || plans.length === 0,
    nobodyYet: subscribers.length === 0,
  };
}
