import { resetAdminPassword } from '#operations/reset-admin-password';
import { dropOldKeys, rotateSecrets } from '#operations/rotate-secrets';
import { type Command, textOf } from '#policy-server/cli/command';

export const adminResetPassword: Command = {
  name: 'admin reset-password',
  summary: 'Give a member of staff a new one-time password',
  options: { username: { value: 'USERNAME', help: 'whose; admin if not given' } },
  run: async (desk, given) => {
    const reset = await resetAdminPassword(desk, textOf(given, 'username'));
    const text = `One-time password of ${reset.username}, shown this once: ${reset.password}\nThe first login has to change it.`;
    return { text, json: reset };
  },
};

export const secretsRotate: Command = {
  name: 'secrets rotate',
  summary: 'Seal every stored secret under a new master key',
  options: { 'drop-old': { value: 'flag', help: 'instead, take the older keys out of the file' } },
  notes: [
    'Older keys stay in the file until --drop-old. With several nodes, copy the file to each between the two steps.',
    'Keep a copy of the file apart from the backups of the database.',
  ],
  run: async (desk, given) => {
    const file = desk.config.masterKeyFile;
    if (given.options['drop-old'] === true) {
      const { keyId } = await dropOldKeys(desk, file);
      return { text: `Only key ${keyId} is left in ${file}.`, json: { keyId } };
    }
    const rotated = await rotateSecrets(desk, file);
    const text = `${rotated.resealed} secrets are sealed under the new key ${rotated.keyId}, the first in ${file}.\nThen, with that file on every node: gerbang secrets rotate --drop-old`;
    return { text, json: rotated };
  },
};
