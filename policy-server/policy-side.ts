import type { ReplyOf } from '#domain/policy-impact';
import { replyAttributes } from '#radius/reply';

/** What a dial is told, in the words of the router that asks: for plans and simulations, which know no RADIUS. */
export const replyOf: ReplyOf = (decision, line, nas, at) => replyAttributes(decision, line, at, nas?.vendor);
