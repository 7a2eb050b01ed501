import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import type { Desk } from '#operations/desk';
import { listPlans } from '#storage/plans';

export const HOSTILE = '<img src=x onerror=alert(1)>"\'&';
/** What may stand in a tag or a user name, where blanks cannot. */
export const HOSTILE_WORD = '<script>alert(1)</script>"\'&';

export type Person = { readonly id: number; readonly username: string };

let count = 0;

/** A PPPoE subscriber with a name and a phone; anything else as given. */
export async function addPerson(desk: Desk, given: Readonly<Record<string, unknown>> = {}): Promise<Person> {
  count += 1;
  const username = `orang${count}`;
  return addSubscriber(desk, {
    username,
    password: 'rahasia-77',
    name: `Orang ${count}`,
    phone: '081234567890',
    ...given,
  });
}

/** A plan of 20 GB and 20 Mbps for 30 days; returns the number of its revision. */
export async function addPackage(desk: Desk, name = '20GB - 20Mbps', price = '75000'): Promise<number> {
  await addPlan(desk, { name, down: '20M', up: '20M', quota: '20GB', period: '30d', price });
  return (await listPlans(desk.db)).find((plan) => plan.name === name)!.revisionId;
}
