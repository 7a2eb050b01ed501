import { InvalidInput, Unavailable } from '#domain/errors';
import { adminResetPassword, secretsRotate } from '#policy-server/cli/admin';
import { backupCommand, restoreCommand } from '#policy-server/cli/backup';
import type { Command, CommandForm, DatabaseCommand, Given, Outcome } from '#policy-server/cli/command';
import { atDatabase, atDesk } from '#policy-server/cli/connect';
import { explain } from '#policy-server/cli/explain';
import { subscriberExport } from '#policy-server/cli/export';
import { grantAdd, grantRevoke } from '#policy-server/cli/grant';
import { importMikrotik } from '#policy-server/cli/import-mikrotik';
import { invoiceList, invoicePay, invoiceShow, invoiceVoid } from '#policy-server/cli/invoice';
import { ledgerBalances, ledgerClose, ledgerVerify } from '#policy-server/cli/ledger';
import { nasAdd, nasEdit, nasList, nasRemove } from '#policy-server/cli/nas';
import { nasCheck } from '#policy-server/cli/nas-check';
import { nasScript } from '#policy-server/cli/nas-script';
import { planAdd, planDelete, planEdit, planList } from '#policy-server/cli/plan';
import { policyDiff, policyHistory, policyShow, policySimulate, policyTest } from '#policy-server/cli/policy';
import { policyPlan } from '#policy-server/cli/policy-plan';
import { policyPublish, policyRollback, policyStatus } from '#policy-server/cli/policy-rollout';
import { pinIssue, prepaidMigrate, prepaidUndo } from '#policy-server/cli/prepaid';
import { purchaseCancel, purchaseList, purchaseSettle } from '#policy-server/cli/purchase';
import { sessionDisconnect, sessionHistory, sessionList, sessionWho } from '#policy-server/cli/session';
import { settingSet, settingShow } from '#policy-server/cli/setting';
import {
  staffAdd,
  staffDisable,
  staffEnable,
  staffList,
  staffResetPassword,
  staffResetTotp,
} from '#policy-server/cli/staff';
import {
  resumeCommand,
  subscriberAdd,
  subscriberEdit,
  subscriberImport,
  suspendCommand,
} from '#policy-server/cli/subscriber';
import {
  subscriptionChange,
  subscriptionEnd,
  subscriptionShow,
  subscriptionStart,
} from '#policy-server/cli/subscription';
import { findCommand, helpOf, helpOfAll, readArguments, unknownCommand } from '#policy-server/cli/usage';
import { type Config, readConfig } from '#policy-server/config';
import { DatabaseTooNew } from '#storage/migrate';
import { SecretsFault } from '#storage/secrets';

const COMMANDS: readonly (Command | DatabaseCommand)[] = [
  nasAdd,
  nasList,
  nasEdit,
  nasRemove,
  nasScript,
  nasCheck,
  planAdd,
  planList,
  planEdit,
  planDelete,
  subscriberAdd,
  subscriberEdit,
  subscriberImport,
  subscriberExport,
  importMikrotik,
  prepaidMigrate,
  prepaidUndo,
  pinIssue,
  purchaseList,
  purchaseSettle,
  purchaseCancel,
  invoiceList,
  invoiceShow,
  invoicePay,
  invoiceVoid,
  ledgerBalances,
  ledgerVerify,
  ledgerClose,
  grantAdd,
  grantRevoke,
  subscriptionStart,
  subscriptionEnd,
  subscriptionShow,
  subscriptionChange,
  suspendCommand,
  resumeCommand,
  explain,
  sessionList,
  sessionHistory,
  sessionWho,
  sessionDisconnect,
  staffAdd,
  staffList,
  staffDisable,
  staffEnable,
  staffResetPassword,
  staffResetTotp,
  policyShow,
  policyTest,
  policyPlan,
  policySimulate,
  policyPublish,
  policyStatus,
  policyRollback,
  policyHistory,
  policyDiff,
  settingShow,
  settingSet,
  adminResetPassword,
  secretsRotate,
  backupCommand,
  restoreCommand,
];

/** 0 done · 1 it cannot be done as asked, nothing was changed · 2 not understood · 3 something outside failed: try again. */
const EXIT = { done: 0, refused: 1, usage: 2, unavailable: 3 } as const;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  const found = findCommand(COMMANDS, argv);
  if (found === null) {
    const asked = argv.some((word) => !word.startsWith('-'));
    if (asked) return complain([unknownCommand(COMMANDS, argv)], json, EXIT.usage);
    console.log(helpOfAll(COMMANDS));
    return argv.length === 0 || argv.includes('--help') ? EXIT.done : EXIT.usage;
  }
  const { command, rest } = found;
  if (rest.includes('--help')) {
    console.log(helpOf(command));
    return EXIT.done;
  }
  const { given, faults } = readArguments(command, rest);
  return attempt(command, given, faults, json);
}

async function attempt(
  command: Command | DatabaseCommand,
  given: Given,
  faults: readonly string[],
  json: boolean,
): Promise<number> {
  try {
    const config = readConfig();
    const checked = inOptions(command, command.check?.(given, config.zone) ?? []);
    if (faults.length > 0) return complain([...faults, ...checked], json, EXIT.usage);
    if (checked.length > 0) return complain(checked, json, EXIT.refused);
    const outcome = await runCommand(command, given, config);
    say(outcome, json);
    return outcome.refused ? EXIT.refused : EXIT.done;
  } catch (error) {
    if (error instanceof InvalidInput) return complain(inOptions(command, error.faults), json, EXIT.refused);
    if (error instanceof Unavailable) return complain([error.message], json, EXIT.unavailable);
    if (error instanceof SecretsFault || error instanceof DatabaseTooNew) {
      return complain([error.message], json, EXIT.refused);
    }
    throw error;
  }
}

function runCommand(command: Command | DatabaseCommand, given: Given, config: Config): Promise<Outcome> {
  if ('runOn' in command) return atDatabase(config, (databaseUrl) => command.runOn({ databaseUrl, config }, given));
  return atDesk(config, (office) => command.run(office, given));
}

function say(outcome: Outcome, json: boolean): void {
  console.log(json ? JSON.stringify(outcome.json, null, 2) : outcome.text);
}

/** One line for each fault: to standard error for people, as JSON to standard output for programs. */
function complain(faults: readonly string[], json: boolean, exit: number): number {
  if (json) console.log(JSON.stringify({ faults }, null, 2));
  else for (const fault of faults) console.error(fault);
  return exit;
}

/** Operations name their fields; whoever typed options reads `--coa-port` for `coaPort`. */
function inOptions(command: CommandForm, faults: readonly string[]): string[] {
  return faults.map((fault) =>
    fault.replace(/^\w+/, (field) => {
      const dashed = field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      const option = command.fields?.[field] ?? dashed;
      return command.options?.[option] === undefined ? field : `--${option}`;
    }),
  );
}
