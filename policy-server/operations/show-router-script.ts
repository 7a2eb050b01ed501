import { InvalidInput } from '#domain/errors';
import type { Desk } from '#operations/desk';
import { nasConfig } from '#operations/nas-config';
import type { RouterScriptInput } from '#operations/router-script';
import { noNasFault } from '#operations/static-line';
import { change } from '#storage/change';
import { loadNases } from '#storage/facts';
import { setScriptGarden } from '#storage/nas';
import { SecretsFault } from '#storage/secrets';

/**
 * The script that sets this router up, or what is entered at a NAS of another make. It holds the RADIUS secret, so nobody gets it without a row in the audit. What its
 * walled garden holds is kept: pages tell when the settings ask for more by now.
 *
 * @throws InvalidInput for no such NAS and for what `nasConfig` refuses; SecretsFault when its secret cannot be opened
 */
export function showRouterScript(
  desk: Desk,
  by: { readonly id: number } | { readonly name: string },
  input: Omit<RouterScriptInput, 'nas'>,
): Promise<string> {
  const detail: Record<string, unknown> = {};
  return change(desk.db, { actor: desk.actor, why: 'show router script', detail }, async (tx) => {
    const nases = await loadNases(tx, desk.sealer);
    const nas = nases.find((one) => ('id' in by ? one.id === by.id : one.name === by.name));
    if (nas === undefined) {
      const names = nases.map(({ name }) => name);
      throw new InvalidInput([noNasFault('id' in by ? String(by.id) : by.name, names)]);
    }
    // Instead of what cannot be opened it holds something random.
    if (nas.fault !== null) throw new SecretsFault(nas.fault);
    Object.assign(detail, { id: nas.id, name: nas.name });
    const { name, secret, coaPort, vendor } = nas;
    const script = nasConfig(vendor, { ...input, nas: { name, secret: secret.reveal(), coaPort } });
    await setScriptGarden(tx, nas.id, input.walledGarden);
    return script;
  });
}
