import { Migration } from '@mikro-orm/migrations';

/** Routers behind a FreeRADIUS: who speaks for others, and by whom CoA goes to a router. */
export class NasBehind extends Migration {
  override name = '010-nas-behind';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
alter table nas
  add column proxy      boolean not null default false,
  add column coa_via_id bigint references nas,
  add check (coa_via_id is distinct from id);
create index nas_by_coa_via on nas (coa_via_id) where coa_via_id is not null;
comment on column nas.proxy is 'it asks for routers behind it and is believed when it names one by NAS-IP-Address';
comment on column nas.coa_via_id is 'the proxy that passes CoA and Disconnect on to this router; null = they go to the router itself';
`;
