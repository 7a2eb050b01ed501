import { Migration } from '@mikro-orm/migrations';

/** Routers of other makes than MikroTik: what they are told is the same, in other attributes. */
export class NasVendor extends Migration {
  override name = '008-nas-vendor';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
alter table nas add column vendor text not null default 'mikrotik' check (vendor in ('mikrotik', 'generic', 'accel-ppp'));
`;
