import { internationalDigits } from '#domain/phone';
import type { Desk } from '#operations/desk';
import { surveyMove } from '#storage/prepaid-moves';

/** What `migrateToPrepaid` would do; all but `alreadyPrepaid` count those who would move. */
export type MigrationPreview = {
  readonly willMove: number;
  readonly alreadyPrepaid: number;
  /** Who cannot be sent the PIN: it has to be handed over. */
  readonly withoutPhone: number;
  /** Grants that would end now. */
  readonly runningGrants: number;
  /** Subscriptions that would end now. */
  readonly subscriptions: number;
  readonly online: number;
};

export async function previewMigration(
  { db, clock }: Pick<Desk, 'db' | 'clock'>,
  subscriberIds: readonly number[],
): Promise<MigrationPreview> {
  const { phones, ...counts } = await surveyMove(db, subscriberIds, clock());
  const withoutPhone = phones.filter((phone) => phone === null || internationalDigits(phone) === null).length;
  return { willMove: phones.length, withoutPhone, ...counts };
}
