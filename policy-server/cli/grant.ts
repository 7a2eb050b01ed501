import { printInstant } from '#domain/print';
import { addGrant, addGrantSchema } from '#operations/add-grant';
import { faultsOf } from '#operations/input';
import { revokeGrant, revokeGrantSchema } from '#operations/revoke-grant';
import { type Command, type Given, textOf } from '#policy-server/cli/command';

const inputOf = (given: Given, options: readonly string[]) =>
  Object.fromEntries(options.map((option) => [option, textOf(given, option)]));

const ADD = ['username', 'plan', 'from', 'until'] as const;
export const grantAdd: Command = {
  name: 'grant add',
  summary: 'Give a subscriber a plan for a time',
  options: {
    username: { value: 'USERNAME', help: 'the PPPoE user name' },
    plan: { value: 'PLAN', help: 'the name of a plan' },
    from: { value: 'ISO', help: 'when it begins; if not given, where the cover in force ends, or now' },
    until: { value: 'ISO', help: "when it ends; if not given, after the plan's period" },
  },
  notes: [
    'Times are ISO 8601 with an offset, 2026-12-01T18:00+07:00; a date alone is that whole day.',
    'When the allowance of the cover in force is spent, the grant begins now.',
  ],
  check: (given, zone) => faultsOf(addGrantSchema(zone), inputOf(given, ADD)),
  run: async (desk, given) => {
    const added = await addGrant(desk, inputOf(given, ADD));
    const span = `from ${printInstant(added.from, desk.zone)} until ${printInstant(added.until, desk.zone)}`;
    const text = `${added.username} has ${added.plan} ${span} (grant ${added.id}).\nWhat they get now: gerbang explain ${added.username}`;
    return { text, json: added };
  },
};

const REVOKE = ['username', 'grant'] as const;
export const grantRevoke: Command = {
  name: 'grant revoke',
  summary: 'End a grant now',
  options: {
    username: { value: 'USERNAME', help: 'the PPPoE user name' },
    grant: { value: 'NUMBER', help: 'which grant, where there are several: see explain USERNAME' },
  },
  check: (given) => faultsOf(revokeGrantSchema, inputOf(given, REVOKE)),
  run: async (desk, given) => {
    const { grant, revokedAt } = await revokeGrant(desk, inputOf(given, REVOKE));
    const text = `Grant ${grant.id} (${grant.plan}) of ${textOf(given, 'username')} ended ${printInstant(revokedAt, desk.zone)}.`;
    return { text, json: { ...grant, revokedAt } };
  },
};
