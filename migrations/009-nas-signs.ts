import { Migration } from '@mikro-orm/migrations';

/** What every node sees of each router, for the NAS doctor. */
export class NasSigns extends Migration {
  override name = '009-nas-signs';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
create table nas_router (
  nas_id      int not null references nas on delete cascade,
  address     inet not null,
  identity    text,
  first_at    timestamptz not null,
  auth_at     timestamptz,
  acct_at     timestamptz,
  right_at    timestamptz,
  wrong_at    timestamptz,
  signed_at   timestamptz,
  unsigned_at timestamptz,
  skew_ms     bigint,
  skew_at     timestamptz,
  primary key (nas_id, address),
  check ((skew_ms is null) = (skew_at is null))
) with (fillfactor = 50);
comment on table nas_router is 'each address a NAS has spoken from, and when it last showed what; of a NAS that is a block there are many';
comment on column nas_router.right_at is 'when something last bore its secret out; wrong_at, when something spoke against it';
comment on column nas_router.skew_ms is 'how far its clock was ahead of ours by Event-Timestamp; negative = behind';

create table nas_signs (
  nas_id           int not null references nas on delete cascade,
  address          inet not null,
  slot             timestamptz not null,
  accepted         int not null default 0,
  rejected         int not null default 0,
  signed           int not null default 0,
  unsigned         int not null default 0,
  unsigned_dropped int not null default 0,
  pap_readable     int not null default 0,
  pap_garbled      int not null default 0,
  auth_forged      int not null default 0,
  acct_forged      int not null default 0,
  accounted        int not null default 0,
  delayed          int not null default 0,
  again_queued     int not null default 0,
  again_held       int not null default 0,
  again_unwritten  int not null default 0,
  again_soon       int not null default 0,
  again_late       int not null default 0,
  repeated         int not null default 0,
  rate_kept        int not null default 0,
  rate_exceeded    int not null default 0,
  coa_kept         int not null default 0,
  coa_exceeded     int not null default 0,
  coa_acknowledged int not null default 0,
  coa_refused      int not null default 0,
  coa_silent       int not null default 0,
  gaps             bigint[] not null,
  primary key (nas_id, address, slot)
) with (fillfactor = 50);
create index nas_signs_by_slot on nas_signs (slot);
comment on table nas_signs is 'counts of each router in each quarter of an hour (domain/nas-signs.ts says what each counts), added up over all nodes';
comment on column nas_signs.gaps is 'how long it was from one interim of a session to the next: counts in buckets';

create index enforcement_act_by_nas on enforcement_act (nas_id, id);
`;
