import { DAY, type Instant } from '#domain/time';
import { type Database, timestamp } from '#storage/database';
import { SIGNS_KEPT_MS } from '#storage/nas-signs';

/** Rejected dials are of use while somebody asks why a line was down. */
const REJECTS_DAYS = 90;
/** Texts hold names and, of PINs, secrets; that a message was sent, and when, stays. */
const TEXTS_DAYS = 90;
/** What was told to a modem. */
const TASKS_DAYS = 90;
/** Budgets of wrong logins are of minutes and hours. */
const BUDGETS_DAYS = 2;

/** Rows of one statement, so that no lock is held for long. */
const AT_ONCE = 5_000;

type Forget = { readonly before: Instant; readonly rows: string; readonly statement: (rows: string) => string };

/** Deletes, in short statements, what is too old to be kept. `historyMonths` is how long figures of the past are shown. */
export async function forgetBeyond(
  db: Database,
  now: Instant,
  historyMonths: number,
  signal?: AbortSignal,
  atOnce = AT_ONCE,
): Promise<void> {
  const forget: readonly Forget[] = [
    gone('figure', 'at', 'at < $1::timestamptz', now - historyMonths * 31 * DAY),
    gone('rejected_dial', 'id', 'last_at < $1::timestamptz', now - REJECTS_DAYS * DAY),
    gone('nas_signs', 'ctid', 'slot < $1::timestamptz', now - SIGNS_KEPT_MS),
    gone('login_budget', 'bucket', 'window_start < $1::timestamptz', now - BUDGETS_DAYS * DAY),
    gone('acs_task', 'id', 'ended_at < $1::timestamptz', now - TASKS_DAYS * DAY),
    gone('web_session', 'token_hash', 'expires_at < $1::timestamptz', now),
    {
      before: now - TEXTS_DAYS * DAY,
      // What still waits is sent with its text.
      rows: `select id from message where queued_at < $1::timestamptz and octet_length(body_sealed) > 0
              and (sent_at is not null or failed_at is not null or cancelled_at is not null)`,
      statement: (rows) => `update message set body_sealed = '' where id = any(array(${rows}))`,
    },
  ];
  for (const { before, rows, statement } of forget) {
    for (let more = true; more && signal?.aborted !== true; ) {
      more = (await db.execute(statement(`${rows} limit ${atOnce}`), [timestamp(before)])) === atOnce;
    }
  }
}

const gone = (table: string, key: string, condition: string, before: Instant): Forget => ({
  before,
  rows: `select ${key} from ${table} where ${condition}`,
  statement: (rows) => `delete from ${table} where ${key} = any(array(${rows}))`,
});
