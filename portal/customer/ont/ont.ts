import { isOntOnline, type Ont, signalOf } from '#domain/acs';
import { SECOND } from '#domain/time';
import type { Context } from '#portal/shared/context';
import { type LineState, lineState } from '#storage/portal-lines';
import { liveSessions } from '#storage/sessions';

/** With a decimal comma in both languages, like every value customers read. */
const decimal = (value: number, digits: number): string => value.toFixed(digits).replace('.', ',').replace('-', '−');

/**
 * The customer's ONT for `customer/ont/_ont`: texts only. Null where the company has no ACS. Never takes longer than the
 * 300 ms of `OntControl.ontOf`. `line`: how the line stands, for a page that has read it.
 */
export async function ontModel(
  context: Context,
  line: () => Promise<LineState | null> = () => lineState(context.db, context.subscriberId, context.now),
) {
  const [ont, { genieacs }] = await Promise.all([
    context.opened.live.onts.ontOf(context.subscriberId),
    context.opened.settings(),
  ]);
  if (ont === null) return null;
  const ppp = await pppOf(context, ont, line);
  return ontWords(context, ont, ppp, genieacs.informMinutes);
}

export type OntModel = NonNullable<Awaited<ReturnType<typeof ontModel>>>;

export type PppState = {
  readonly connected: boolean;
  readonly ip: string | null;
  /** Who says so: RADIUS accounting, or the modem where RADIUS never heard of the line. */
  readonly by: 'session' | 'modem';
};

/** The same for a page that knows the ONT already (staff). */
export function ontWords(context: Context, ont: Ont, ppp: PppState | null, informMinutes: number) {
  const { reading, readAt, deviceId } = ont;
  const online = reading !== null && isOntOnline(reading.lastInform, context.now, informMinutes);
  const rx = reading?.rxPowerDbm ?? null;
  const signal = rx === null ? null : signalOf(rx);
  const name = [reading?.manufacturer, reading?.model].filter((part) => part !== null && part !== undefined);
  return {
    /** There is one, and something is known of it. */
    found: reading !== null,
    /** The ACS knows no modem of this line. */
    none: deviceId === null && readAt !== null,
    /** Nothing is known yet. */
    asking: readAt === null,
    stale: ont.error !== null,
    model: name.join(' '),
    online,
    lastInform: reading?.lastInform ?? null,
    ppp,
    signal:
      rx === null || signal === null
        ? null
        : {
            text: `${decimal(rx, 1)} dBm`,
            grade: signal,
            words: context.t(`ont.signal-${signal}`),
            icon: signal === 'good' ? 'check' : 'warning',
            tone: { good: 'good', weak: 'warn', bad: 'bad' }[signal],
          },
    temperature: reading?.temperatureC == null ? null : `${decimal(reading.temperatureC, 0)} °C`,
    uptime: reading?.uptimeSeconds == null ? null : context.format.duration(reading.uptimeSeconds * SECOND),
    devices: reading?.connectedDevices ?? null,
    ssid: reading?.ssid ?? null,
    ssidOff: reading?.ssidEnabled === false,
    mayName: (reading?.ssidPaths.length ?? 0) > 0,
    mayPassword: (reading?.passwordPaths.length ?? 0) > 0,
    readAt,
  };
}

/** RADIUS knows best whether a line is up; where it never heard of it, the modem's own word stands in. */
async function pppOf(
  { db, subscriberId }: Context,
  { reading, online }: Ont,
  lineOf: () => Promise<LineState | null>,
): Promise<PppState | null> {
  const [line, sessions] = await Promise.all([lineOf(), liveSessions(db, [subscriberId])]);
  if (line?.access !== 'pppoe') return null;
  const live = sessions.find((session) => session.framedIp !== null) ?? sessions[0];
  if (live !== undefined) return { connected: true, ip: live.framedIp, by: 'session' };
  if (line.onlineSince !== null || line.offlineSince !== null)
    return { connected: line.onlineSince !== null, ip: null, by: 'session' };
  return { connected: online && reading?.pppUsername != null, ip: reading?.pppIp ?? null, by: 'modem' };
}
