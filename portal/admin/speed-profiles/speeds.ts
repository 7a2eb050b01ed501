import { parseRate } from '#domain/parse';
import type { Rate } from '#domain/plan';
import type { FormFaults } from '#portal/admin/customers/form';
import type { Context } from '#portal/shared/context';
import { type Form, field } from '#portal/shared/forms';

/** The fields of speeds, of a profile or of a package: in Mbps, or with a unit (`512k`). */
const SPEEDS = ['down', 'up', 'burstDown', 'burstUp', 'overDown', 'overUp', 'burstSeconds'] as const;
const BURST = ['burstDown', 'burstUp', 'overDown', 'overUp', 'burstSeconds'] as const;
export type TypedSpeeds = Readonly<Record<(typeof SPEEDS)[number], string>>;

export const typedSpeeds = (form: Form): TypedSpeeds =>
  Object.fromEntries(SPEEDS.map((name) => [name, field(form, name)])) as TypedSpeeds;

/** A rate as it is typed: `20`, `1.5`, `128k`. */
function printed(bps: number): string {
  return bps >= 1e6 ? String(bps / 1e6) : bps % 1000 === 0 ? `${bps / 1000}k` : String(bps / 1e6);
}

export function speedsTyped({ downloadBps, uploadBps, burst }: Rate): TypedSpeeds {
  return {
    down: printed(downloadBps),
    up: printed(uploadBps),
    burstDown: burst === null ? '' : printed(burst.downloadBps),
    burstUp: burst === null ? '' : printed(burst.uploadBps),
    overDown: burst === null ? '' : printed(burst.thresholdDownloadBps),
    overUp: burst === null ? '' : printed(burst.thresholdUploadBps),
    burstSeconds: burst === null ? '' : String(burst.seconds),
  };
}

/** For the operations: a number without a unit is Mbps. */
const withUnit = (text: string): string => (/^\d+([.,]\d+)?$/.test(text) ? `${text}M` : text);

const wantsBurst = (typed: TypedSpeeds): boolean => BURST.some((name) => typed[name] !== '');

/** The fields `down`, `up` and `burst` of an operation. */
export function speedsInput(typed: TypedSpeeds): Record<string, unknown> {
  const { burstDown, burstUp, overDown, overUp, burstSeconds } = typed;
  const pair = (down: string, up: string) => `${withUnit(down)}/${withUnit(up)}`;
  return {
    down: withUnit(typed.down),
    up: withUnit(typed.up),
    ...(wantsBurst(typed) ? { burst: `${pair(burstDown, burstUp)} ${pair(overDown, overUp)} ${burstSeconds}` } : {}),
  };
}

/** What is wrong with the speeds, by field, in the reader's words. */
export function speedFaults(context: Context, typed: TypedSpeeds): Record<string, string> {
  const faults: Record<string, string> = {};
  const rates = ['down', 'up', ...(wantsBurst(typed) ? (['burstDown', 'burstUp', 'overDown', 'overUp'] as const) : [])];
  for (const name of rates as (keyof TypedSpeeds)[])
    if (parseRate(withUnit(typed[name])) === null) faults[name] = context.t('speed-profiles.fault-rate');
  if (wantsBurst(typed) && !/^[1-9]\d{0,2}$/.test(typed.burstSeconds))
    faults.burstSeconds = context.t('speed-profiles.fault-seconds');
  return faults;
}

/** `20 Mbps`, or `20 Mbps ↓ 10 Mbps ↑` where they differ. */
export function rateWords(context: Context, { downloadBps, uploadBps }: Rate): string {
  const { format } = context;
  return downloadBps === uploadBps
    ? format.rate(downloadBps)
    : `${format.rate(downloadBps)} ↓ ${format.rate(uploadBps)} ↑`;
}

/** `Burst 40 Mbps selama 16 detik`; empty where there is none. */
export function burstWords(context: Context, { burst }: Rate): string {
  if (burst === null) return '';
  const { downloadBps, uploadBps, seconds } = burst;
  return context.t('speed-profiles.burst-words', {
    rate: rateWords(context, { downloadBps, uploadBps, burst: null }),
    seconds,
  });
}

/** What plans and speed profiles may be called. */
export const isName = (name: string): boolean => name !== '' && name.length <= 100 && !/\p{Cc}/u.test(name);

/** What is wrong with the name of a PPP profile on the router; null when nothing is, or there is none. */
export const profileFault = (context: Context, profile: string): string | null =>
  /\p{Cc}/u.test(profile) || Buffer.byteLength(profile) > 247 ? context.t('speed-profiles.fault-profile') : null;

/** Whether the fields of the burst, which are folded away, have to be seen. */
export const faultsInBurst = (faults: FormFaults | undefined): boolean =>
  Object.keys(faults?.of ?? {}).some((name) => name.startsWith('burst') || name.startsWith('over'));
