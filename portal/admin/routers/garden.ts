import { gardenHosts } from '#domain/walled-garden';
import type { Context } from '#portal/shared/context';
import { scriptGardens } from '#storage/nas';

/**
 * Of the routers whose script, as it was made last, keeps less open than is asked for by now: what to tell staff. A router
 * whose script is older than that, or was written by hand, is told of once there is something that it may lack.
 */
export async function gardensLacking(context: Context): Promise<ReadonlyMap<number, string>> {
  const [gardens, settings] = await Promise.all([scriptGardens(context.db), context.opened.settings()]);
  const wanted = gardenHosts(settings);
  const told = new Map<number, string>();
  for (const [id, garden] of gardens) {
    const missing = wanted.filter((host) => !(garden ?? []).includes(host));
    const [host] = missing;
    if (host === undefined) continue;
    const text =
      garden === null
        ? context.t('redirect.script-unknown')
        : context.t('redirect.script-lacks', { host, others: missing.length - 1, count: missing.length });
    told.set(id, text);
  }
  return told;
}
