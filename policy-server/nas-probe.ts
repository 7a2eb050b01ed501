import { systemClock } from '#domain/clock';
import type { Probe } from '#domain/nas-evidence';
import { say } from '#domain/say';
import { coaTargets } from '#enforcement/radius-driver';
import type { NasProbe } from '#operations/check-nas';
import { CoaClient, type CoaTarget, printOutcome, type Retransmission } from '#radius/coa-client';
import { Code } from '#radius/packet';
import type { LoadedNas } from '#storage/facts';

/** Somebody waits for it: sent at 0, 0.5 and 1.5 s, given up after 3. */
const PATIENCE: Retransmission = { firstMs: 500, longestMs: 1_000, transmissions: 3, durationMs: 3_000 };

/** The vendor's documentation has both for `/radius incoming`: older text and every export 3799, newer text 1700. */
const USUAL_PORTS = [3799, 1700];

/** Nobody has them: a router that hears it says "no such session", which tells as much. */
const NOBODY = { username: 'gerbang-check', acctSessionId: '00000000' };

const ATTRIBUTE = { userName: 1, acctSessionId: 44 } as const;

/**
 * Asks routers by a CoA-Request that names a session and changes nothing: RouterOS acknowledges it where the session lives
 * and refuses it with 406 or 503 where it does not (measured by others), and says nothing where it does not accept CoA
 * from us. `host` is the address requests leave from.
 */
export function nasProbe(host: string, nases: () => Promise<readonly LoadedNas[]> | readonly LoadedNas[]): NasProbe {
  return async ({ nasId, address, session }) => {
    const loaded = await nases();
    const nas = loaded.find(({ id }) => id === nasId);
    const target = coaTargets(loaded)({ nasId, nasAddress: address });
    if (nas === undefined || target === null)
      return { is: 'not-sent', said: say`the address of its router is not known`, otherPort: null };
    if (typeof nas.fault === 'string') return { is: 'not-sent', said: nas.fault, otherPort: null };
    const others = USUAL_PORTS.filter((port) => port !== target.port).map((port) => ({ ...target, port }));
    const [own, ...elsewhere] = await Promise.all([target, ...others].map((one) => ask(host, one, session ?? NOBODY)));
    if (own!.is !== 'silent') return own!;
    const found = elsewhere.findIndex(({ is }) => is === 'answered');
    return found < 0 ? own! : { ...own!, otherPort: others[found]!.port };
  };
}

/** By a client of its own, so that a forged answer is one to this. */
async function ask(host: string, target: CoaTarget, session: typeof NOBODY): Promise<Probe> {
  const client = new CoaClient({ host, now: systemClock, retransmission: PATIENCE });
  try {
    const outcome = await client.send(target, {
      code: Code.coaRequest,
      write: (packet) => {
        packet.addText(ATTRIBUTE.userName, session.username);
        packet.addText(ATTRIBUTE.acctSessionId, session.acctSessionId);
      },
    });
    const said = printOutcome(outcome);
    if (outcome.is !== 'timeout') return { is: 'answered', said, otherPort: null };
    if (client.ignored.forged > 0) return { is: 'forged', said, otherPort: null };
    return { is: outcome.error === null ? 'silent' : 'not-sent', said, otherPort: null };
  } finally {
    client.close();
  }
}
