import { Migration } from '@mikro-orm/migrations';

/** What was charged before each of a grant's present days, weeks and months, so that a rule may ask for usage of one. */
export class Metering extends Migration {
  override name = '007-metering';

  override up(): void {
    this.addSql(sql);
  }
}

// No index knows these columns: the update that charges stays on its page (HOT).
const sql = `
alter table grants add column metered_at timestamptz,
  add column metered_bases bigint[],
  add check ((metered_at is null) = (metered_bases is null) and cardinality(metered_bases) = 6);
comment on column grants.metered_at is 'an instant of usage in the newest periods that were charged; null = nothing was, since there is metering';
comment on column grants.metered_bases is
  'used_bytes when the day, week and month began in which metered_at lies, of the calendar and then counted from starts_at; late usage of an earlier one included';
`;
