import type { Config } from '#policy-server/config';
import type { Queryable } from '#storage/database';
import { readSettings } from '#storage/settings';

/**
 * The company's zone: COMPANY_TIMEZONE where it is set, else what was saved on the page of settings, else the default.
 * A process asks once, at its start: days and dates must not change under what is running.
 */
export async function companyZone(config: Pick<Config, 'zone' | 'zoneIsSet'>, q: Queryable): Promise<string> {
  if (config.zoneIsSet) return config.zone;
  return (await readSettings(q)).company.zone ?? config.zone;
}
