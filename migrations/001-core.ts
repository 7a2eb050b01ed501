import { Migration } from '@mikro-orm/migrations';

/** The AAA core: who may dial, what they bought, what the network was told, what was used, and who changed what. */
export class Core extends Migration {
  override name = '001-core';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
create table nas (
  id                         int generated always as identity primary key,
  name                       text not null unique check (name <> ''),
  address                    cidr not null unique,
  secret_sealed              bytea not null,
  coa_port                   int not null default 3799 check (coa_port between 1 and 65535),
  coa_per_second             int not null default 50 check (coa_per_second > 0),
  message_authenticator      text not null default 'auto' check (message_authenticator in ('required', 'auto', 'off')),
  message_authenticator_seen boolean not null default false,
  swap_octets                boolean not null default false,
  tags                       text[] not null default '{}',
  created_at                 timestamptz not null default now()
);
comment on column nas.message_authenticator_seen is 'learned under auto: once a request carried it, requests without it are dropped';
comment on column nas.swap_octets is 'this router reports Acct-Input-Octets as the download';

create table plan (
  id         int generated always as identity primary key,
  name       text not null unique check (name <> ''),
  created_at timestamptz not null default now(),
  retired_at timestamptz
);

create table plan_revision (
  id               int generated always as identity primary key,
  plan_id          int not null references plan,
  revision         int not null check (revision > 0),
  download_bps     bigint not null check (download_bps > 0),
  upload_bps       bigint not null check (upload_bps > 0),
  burst            jsonb,
  allowance_bytes  bigint check (allowance_bytes > 0),
  period_days      int check (period_days > 0),
  period_months    int check (period_months > 0),
  price_rupiah     bigint not null check (price_rupiah >= 0),
  profile          text check (profile <> ''),
  created_at       timestamptz not null default now(),
  unique (plan_id, revision),
  check (num_nonnulls(period_days, period_months) = 1)
);
comment on table plan_revision is 'what was sold never changes: an edit makes a new revision';

create table subscriber (
  id                    bigint generated always as identity primary key,
  username              text collate "C" not null unique check (username <> '' and length(username) <= 253),
  password_sealed       bytea not null,
  name                  text not null default '',
  phone                 text,
  billing               text not null default 'prepaid' check (billing in ('prepaid', 'postpaid')),
  tags                  text[] not null default '{}',
  suspended_at          timestamptz,
  mac                   text check (mac ~ '^([0-9A-F]{2}:){5}[0-9A-F]{2}$'),
  session_limit         int not null default 1 check (session_limit > 0),
  static_ip             inet unique,
  framed_ipv6_prefix    cidr,
  delegated_ipv6_prefix cidr,
  version               bigint not null default 0,
  created_at            timestamptz not null default now()
);
comment on column subscriber.version is 'the sequence number of the newest row in change for this subscriber';

create table grants (
  id               bigint generated always as identity primary key,
  subscriber_id    bigint not null references subscriber,
  plan_revision_id int not null references plan_revision,
  starts_at        timestamptz not null,
  ends_at          timestamptz not null,
  revoked_at       timestamptz,
  used_bytes       bigint not null default 0 check (used_bytes >= 0),
  created_at       timestamptz not null default now(),
  check (starts_at < ends_at)
) with (fillfactor = 80);
create index grants_by_subscriber on grants (subscriber_id, ends_at);

create table policy_revision (
  id           int generated always as identity primary key,
  document     jsonb not null,
  note         text not null default '',
  created_by   text not null,
  created_at   timestamptz not null default now(),
  published_at timestamptz
);
comment on column policy_revision.published_at is 'the revision with the newest published_at is in force';

create table staff (
  id            int generated always as identity primary key,
  username      text not null unique check (username <> ''),
  password_hash text not null,
  role          text not null check (role in ('owner', 'admin', 'customer-service', 'technician', 'network-engineer')),
  must_change_password boolean not null default true,
  created_at    timestamptz not null default now()
);

create table audit (
  id            bigint generated always as identity primary key,
  at            timestamptz not null default now(),
  actor         text not null,
  why           text not null,
  subscriber_id bigint,
  detail        jsonb not null default '{}'
);
create index audit_by_subscriber on audit (subscriber_id, id) where subscriber_id is not null;
create function refuse_change() returns trigger language plpgsql as $$
begin raise exception '% is append-only', tg_table_name; end $$;
create trigger audit_append_only before update or delete on audit for each row execute function refuse_change();
create trigger audit_no_truncate before truncate on audit for each statement execute function refuse_change();

create table change (
  seq    bigint generated always as identity primary key,
  xid    xid8 not null default pg_current_xact_id(),
  topic  text not null check (topic in ('subscriber', 'nas', 'policy')),
  key    bigint not null,
  at     timestamptz not null default now()
);
create index change_by_xid on change (xid);
comment on table change is 'the feed that keeps every directory fresh; NOTIFY gerbang_change wakes its readers, xid lets them catch up';

create table due (
  subscriber_id bigint primary key references subscriber,
  due_at        timestamptz not null,
  valid_below   bigint,
  attempts      int not null default 0,
  claimed_until timestamptz,
  claim         bigint,
  last_error    text
) with (fillfactor = 70);
create index due_next on due (due_at);
comment on column due.claim is 'the number its holder gave it; whoever makes the row due sets claimed_until to null and so takes the claim away';
comment on table due is 'when enforcement next looks at a subscriber; valid_below is the chargedBytes at which usage makes it look at once';

create table session (
  id              bigint generated always as identity primary key,
  key             text collate "C" not null unique,
  nas_id          int not null references nas,
  nas_address     inet not null,
  acct_session_id text collate "C" not null,
  username        text collate "C" not null,
  subscriber_id   bigint references subscriber,
  mac             text,
  framed_ip       inet,
  nas_port_id     text,
  started_at      timestamptz not null,
  heard_at        timestamptz not null,
  seconds         bigint not null default 0,
  up_bytes        bigint not null default 0,
  down_bytes      bigint not null default 0,
  raw_up          bigint not null default 0,
  raw_down        bigint not null default 0,
  day             date not null,
  day_up          bigint not null default 0,
  day_down        bigint not null default 0,
  told_live       text,
  told_fixed      text,
  told_at         timestamptz,
  confirmed_at    timestamptz,
  ending_since    timestamptz,
  ended_at        timestamptz,
  cause           text,
  flags           text[] not null default '{}'
) with (fillfactor = 60);
create index session_by_subscriber on session (subscriber_id) where ended_at is null;
create index session_by_nas on session (nas_id, acct_session_id);
comment on column session.key is 'the token we put in Class; for a session without it, one made from NAS, address, id, user name and start';
comment on column session.nas_address is 'where its accounting last came from: of a NAS that is a block, the router that holds the session';
comment on column session.raw_up is 'the counter as last received; up_bytes is what it amounts to after wraps and resets';
comment on column session.day_up is 'bytes of this session on its running day; a new day or the end moves them to usage_daily';
comment on column session.told_at is 'when the NAS acknowledged what it was told; confirmed_at, when later accounting bore it out';

create table session_history (
  id              bigint not null,
  key             text collate "C" not null,
  nas_id          int not null,
  nas_address     inet not null,
  acct_session_id text collate "C" not null,
  username        text collate "C" not null,
  subscriber_id   bigint,
  mac             text,
  framed_ip       inet,
  nas_port_id     text,
  started_at      timestamptz not null,
  heard_at        timestamptz not null,
  seconds         bigint not null,
  up_bytes        bigint not null,
  down_bytes      bigint not null,
  raw_up          bigint not null,
  raw_down        bigint not null,
  ended_at        timestamptz not null,
  cause           text,
  flags           text[] not null default '{}',
  primary key (ended_at, id)
) partition by range (ended_at);
create index on session_history (key);
create index on session_history (subscriber_id, ended_at desc);
create index on session_history (framed_ip, ended_at);

create table usage_daily (
  subscriber_id bigint not null,
  day           date not null,
  up_bytes      bigint not null,
  down_bytes    bigint not null,
  primary key (subscriber_id, day)
) partition by range (day);

create table journal_position (
  journal text primary key,
  segment bigint not null,
  "offset" bigint not null
);
comment on table journal_position is 'how far each accounting journal is applied; moved in the transaction that applies';

create table quarantine (
  id       bigint generated always as identity primary key,
  at       timestamptz not null default now(),
  journal  text not null,
  segment  bigint not null,
  "offset" bigint not null,
  reason   text not null,
  packet   bytea not null,
  unique (journal, segment, "offset")
);

create table enforcement_act (
  id            bigint generated always as identity primary key,
  at            timestamptz not null default now(),
  subscriber_id bigint not null,
  session_key   text not null,
  nas_id        int not null,
  act           text not null,
  outcome       text not null,
  reason        text not null,
  took_ms       int not null
);
create index enforcement_act_by_subscriber on enforcement_act (subscriber_id, id);
comment on table enforcement_act is 'every CoA and Disconnect with what came of it';

create table job_run (
  job         text primary key,
  slot        timestamptz not null,
  finished_at timestamptz not null
);
comment on table job_run is 'the newest slot of time for which each job has been done, by whichever node';
`;
