import { Unavailable } from '#domain/errors';
import { type Gateway, type GatewayName, GatewayRefusal, type Gateways, type GatewayTruth } from '#domain/gateway';
import { say } from '#domain/say';
import { type Answer, type Applied, type AppliedOrOvertaken, applyTogether } from '#operations/apply-truth';
import type { Desk } from '#operations/desk';
import { intentByOrder, type PaymentIntent } from '#storage/payment-intents';

/** The gateway did not say how an order stands: it is silent, refuses our keys, or has none. */
export class Unanswered extends Unavailable {
  override name = 'Unanswered';
}

/**
 * Asks the gateway how an order stands and applies what it says.
 *
 * @throws Unanswered when the gateway does not say; that is then learned later. Unavailable when the database is away
 */
export async function askGateway(desk: Desk, gateways: Gateways, orderId: string): Promise<Applied> {
  return (await askOrder(desk, gateways, { orderId })).applied;
}

/** Answers that overtake each other all the time are nobody's; then the last one is as good as any. */
const MOST_OVERTAKEN = 5;

export type Asked = { readonly applied: Applied; readonly truth: GatewayTruth | null };

/**
 * As `askGateway`, also about an order that `gateway` told of and that may be none of ours. An answer that came while
 * another one was applied may be the older one: then the gateway is asked once more. `apply`: for who applies many together.
 */
export async function askOrder(
  desk: Desk,
  gateways: Gateways,
  of: { readonly orderId: string; readonly gateway?: GatewayName },
  apply: (answer: Answer) => Promise<AppliedOrOvertaken> = async (answer) => (await applyTogether(desk, [answer]))[0]!,
): Promise<Asked> {
  for (let times = 1; ; times += 1) {
    const learned = await learnTruth(desk, gateways, of);
    if (learned === null) return { applied: 'known', truth: null };
    const { intent, ...answer } = learned;
    const applied = await apply(times < MOST_OVERTAKEN ? { ...answer, seen: intent } : answer);
    if (applied !== 'overtaken') return { applied, truth: answer.truth };
  }
}

export type Learned = {
  readonly gateway: GatewayName;
  readonly orderId: string;
  readonly truth: GatewayTruth;
  /** As it was before the gateway was asked; null: none of ours. */
  readonly intent: PaymentIntent | null;
};

/**
 * What the gateway of an order says of it. `gateway` is who told of the order; without it nobody can be asked about one
 * that is none of ours: null.
 *
 * @throws as `askGateway`
 */
export async function learnTruth(
  desk: Pick<Desk, 'db'>,
  gateways: Gateways,
  { orderId, gateway: told }: { readonly orderId: string; readonly gateway?: GatewayName },
): Promise<Learned | null> {
  const intent = await intentByOrder(desk.db, orderId);
  // An order of ours that another gateway speaks of is an order of its own, whatever it is called.
  const name = told ?? intent?.gateway;
  if (name === undefined) return null;
  const gateway = await gateways.named(name);
  if (gateway === null) throw new Unanswered(say`the keys of ${name} are not set`);
  const gatewayId = intent?.gateway === name ? intent.gatewayId : null;
  return { gateway: name, orderId, truth: await truthOf(gateway, { orderId, gatewayId }), intent };
}

async function truthOf(gateway: Gateway, order: Parameters<Gateway['truthOf']>[0]): Promise<GatewayTruth> {
  try {
    return await gateway.truthOf(order);
  } catch (error) {
    if (!(error instanceof Unavailable || error instanceof GatewayRefusal)) throw error;
    throw new Unanswered(error.message, { cause: error });
  }
}
