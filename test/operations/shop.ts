import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { placePurchase } from '#operations/place-purchase';
import { type Settled, settlePurchase } from '#operations/settle-purchase';
import { plansOnSale } from '#storage/plans';
import { type Purchase, purchaseByNumber } from '#storage/purchases';
import { PLAN, type TestDesk, testDesk } from '#test/operations/desk';

/** What `prepaid-20mbps` costs, in rupiah. */
export const PRICE = 75_000;

/** A desk with plans to sell, and what the tests of purchases do over and over. */
export type Shop = {
  readonly desk: TestDesk;
  /** The newest revision of each plan: prepaid-20mbps, unlimited, gift (costs nothing), hidden (not on the portal). */
  readonly plans: Readonly<Record<string, number>>;
  subscriber(more?: object): Promise<{ id: number; username: string }>;
  order(subscriberId: number, plan?: string, more?: object): Promise<{ number: string }>;
  cash(number: string, note?: string): Promise<Settled>;
  shown(number: string): Promise<Purchase>;
  /** The desk of a subscriber in person. */
  self(id: number): TestDesk;
  lastAudit(subscriberId: number): Promise<{ why: string; detail: Record<string, unknown> }>;
};

export async function openShop(): Promise<Shop> {
  const desk = await testDesk();
  await addPlan(desk, PLAN);
  await addPlan(desk, { name: 'unlimited', down: '10M', up: '5M', period: 'month', price: '200000' });
  await addPlan(desk, { name: 'gift', down: '10M', up: '5M', period: 'day', price: '0' });
  await addPlan(desk, { name: 'hidden', down: '10M', up: '5M', period: 'day', price: '0' });
  await desk.db.execute(`update plan set on_portal = false where name = 'hidden'`);
  const onSale = await plansOnSale(desk.db, ['prepaid-20mbps', 'unlimited', 'gift', 'hidden']);
  const plans = Object.fromEntries([...onSale.values()].map((plan) => [plan.name, plan.revisionId]));
  let next = 0;
  return {
    desk,
    plans,
    subscriber: (more = {}) => {
      next += 1;
      return addSubscriber(desk, { username: `user${next}`, password: 'pw', phone: '081270004321', ...more });
    },
    order: (subscriberId, plan = 'prepaid-20mbps', more = {}) =>
      placePurchase(desk, { subscriberId, planRevisionId: plans[plan], ...more }),
    cash: (number, note) => settlePurchase(desk, { number, method: 'cash', note }),
    shown: async (number) => (await purchaseByNumber(desk.db, number, desk.clock()))!,
    self: (id) => ({ ...desk, actor: `subscriber:${id}` }),
    lastAudit: async (subscriberId) => {
      const [row] = await desk.db.query<{ why: string; detail: Record<string, unknown> }>(
        'select why, detail from audit where subscriber_id = $1 order by id desc limit 1',
        [subscriberId],
      );
      return row!;
    },
  };
}
