import { Migration } from '@mikro-orm/migrations';

/** Prepaid from end to end: portal accounts, purchases, static addresses, messages, staff who log in, what is counted over time. */
export class Prepaid extends Migration {
  override name = '002-prepaid';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
create extension if not exists pg_trgm;

create table installation (
  single boolean primary key default true check (single),
  id     text not null default left(replace(gen_random_uuid()::text, '-', ''), 8) check (id ~ '^[0-9a-f]{8}$')
);
insert into installation default values;
comment on table installation is 'one row: what tells this installation from others in what it leaves on routers; it never changes';

alter table nas
  add column api_host            inet,
  add column api_port            int not null default 8729 check (api_port between 1 and 65535),
  add column api_tls             text not null default 'pinned' check (api_tls in ('off', 'pinned', 'verified')),
  add column api_fingerprint     text check (api_fingerprint ~ '^[0-9a-f]{64}$'),
  add column api_user            text check (api_user <> ''),
  add column api_password_sealed bytea,
  add column api_seen_at         timestamptz,
  add column api_error           text,
  add column recognises_lines    boolean not null default true;
comment on column nas.api_host is 'where the RouterOS API answers; null = at the address of the NAS, when that is a single one';
comment on column nas.api_fingerprint is 'SHA-256 of the certificate that was trusted at the first connection (pinned)';
comment on column nas.api_seen_at is 'when the RouterOS API last answered; api_error says why it last did not, null after a success';
comment on column nas.recognises_lines is 'the splash page greets a line by its source address when that is the live Framed-IP of a session here';

alter table subscriber
  add column access    text not null default 'pppoe' check (access in ('pppoe', 'static')),
  add column nas_id    int references nas,
  add column portal_id text unique check (portal_id ~ '^[1-9][0-9]{7}$'),
  add column address   text not null default '',
  add column notes     text not null default '',
  add column language  text not null default 'id' check (language in ('id', 'en'));
alter table subscriber add column search text not null generated always as (
  lower(username || ' ' || name || ' ' || coalesce(phone, '') || ' ' || coalesce(portal_id, '') || ' ' ||
        coalesce(mac, '') || ' ' || coalesce(host(static_ip), ''))) stored;
create index subscriber_search on subscriber using gin (search gin_trgm_ops);
create index subscriber_by_name on subscriber (lower(name), id) include (name, billing, access, suspended_at);
create index subscriber_prepaid on subscriber (id) include (suspended_at) where billing = 'prepaid';
create index subscriber_by_tag on subscriber using gin (tags);
create index subscriber_by_nas on subscriber (nas_id) where nas_id is not null;
comment on column subscriber.nas_id is 'of a static line: the router whose address-lists hold its addresses';
comment on column subscriber.search is 'what the search field of the lists looks in';

create table static_address (
  id            bigint generated always as identity primary key,
  subscriber_id bigint not null references subscriber,
  nas_id        int not null references nas,
  address       cidr not null,
  removed_at    timestamptz,
  wanted_list   text,
  told_list     text,
  told_at       timestamptz,
  seen_list     text,
  seen_at       timestamptz,
  last_error    text,
  exclude using gist (address inet_ops with &&) where (removed_at is null)
);
create index static_address_by_subscriber on static_address (subscriber_id);
create index static_address_by_nas on static_address (nas_id);
comment on table static_address is 'the addresses of static lines; a removed one stays until its router has dropped the entry';
comment on column static_address.wanted_list is 'what enforcement last decided, for pages and counts; enforcement itself decides afresh each time';
comment on column static_address.told_list is 'the address-list its router acknowledged; null = none of ours. seen_list: what the last full look at the router found';

create table portal_account (
  subscriber_id   bigint primary key references subscriber,
  pin_sealed      bytea not null,
  must_change_pin boolean not null default true,
  failures        int not null default 0 check (failures >= 0),
  last_failure_at timestamptz,
  issued_at       timestamptz not null default now()
);
comment on column portal_account.pin_sealed is 'an argon2id hash of the PIN, sealed: a copy of the database alone is not enough to try a million PINs';
comment on column portal_account.failures is 'wrong PINs from devices not known, since the PIN was issued; at 10 only known devices may go on';

create table portal_device (
  token_hash    bytea primary key,
  subscriber_id bigint not null references subscriber,
  failures      int not null default 0 check (failures >= 0),
  created_at    timestamptz not null default now(),
  seen_at       timestamptz not null default now()
);
create index portal_device_by_subscriber on portal_device (subscriber_id);

create table login_budget (
  bucket       text primary key,
  window_start timestamptz not null,
  failures     int not null
);
comment on table login_budget is 'wrong logins in the running window, of an address or of everybody together';

alter table staff
  add column name            text not null default '',
  add column language        text not null default 'id' check (language in ('id', 'en')),
  add column disabled_at     timestamptz,
  add column totp_sealed     bytea,
  add column totp_since      timestamptz,
  add column totp_last_step  bigint not null default 0,
  add column failures        int not null default 0 check (failures >= 0),
  add column last_failure_at timestamptz;
comment on column staff.totp_since is 'when the second factor was confirmed; null with totp_sealed = being set up';
comment on column staff.totp_last_step is 'the newest time step whose code was used: a code counts once';

create table web_session (
  token_hash    bytea primary key,
  staff_id      int references staff,
  subscriber_id bigint references subscriber,
  step          text not null default 'full' check (step in ('password', 'totp', 'full')),
  address       inet,
  user_agent    text not null default '',
  created_at    timestamptz not null default now(),
  seen_at       timestamptz not null default now(),
  expires_at    timestamptz not null,
  check (num_nonnulls(staff_id, subscriber_id) = 1)
);
create index web_session_by_staff on web_session (staff_id) where staff_id is not null;
create index web_session_by_subscriber on web_session (subscriber_id) where subscriber_id is not null;
create index web_session_by_expiry on web_session (expires_at);
comment on column web_session.step is 'how far the login came: the password is still to be changed, the second factor is still to be given, or all is done';

create table setting (
  key        text primary key,
  value      jsonb not null,
  changed_at timestamptz not null default now(),
  changed_by text not null
);

create table sealed_setting (
  key          text primary key,
  value_sealed bytea not null,
  changed_at   timestamptz not null default now(),
  changed_by   text not null
);

create table speed_profile (
  id           int generated always as identity primary key,
  name         text not null unique check (name <> ''),
  download_bps bigint not null check (download_bps > 0),
  upload_bps   bigint not null check (upload_bps > 0),
  burst        jsonb,
  profile      text check (profile <> ''),
  created_at   timestamptz not null default now()
);
comment on table speed_profile is 'speeds to choose from when a plan is made; a plan revision keeps its own copy';

alter table plan
  add column description text not null default '',
  add column on_portal   boolean not null default true,
  add column position    int not null default 0;
alter table plan_revision add column speed_profile_id int references speed_profile on delete set null;

create index grants_by_end on grants (least(ends_at, revoked_at));
create index grants_by_plan on grants (plan_revision_id);

alter table grants add column allowance_bytes bigint;
update grants set allowance_bytes = r.allowance_bytes from plan_revision r where r.id = plan_revision_id;
alter table grants add column spent boolean not null
  generated always as (coalesce(used_bytes >= allowance_bytes, false)) stored;
create index grants_spent on grants (least(ends_at, revoked_at)) where spent;
comment on column grants.allowance_bytes is 'of its plan revision, which never changes; a trigger copies it, so that the row alone says whether it is spent';
comment on column grants.spent is 'an index on this leaves charging as cheap as before (HOT) but for the one charge that spends the grant';

create function grants_allowance() returns trigger language plpgsql as $$
begin
  select allowance_bytes into new.allowance_bytes from plan_revision where id = new.plan_revision_id;
  return new;
end $$;
create trigger grants_allowance before insert or update of plan_revision_id on grants
  for each row execute function grants_allowance();

create table cover (
  subscriber_id bigint not null references subscriber,
  starts_at     timestamptz not null,
  ends_at       timestamptz not null check (ends_at > starts_at),
  last          boolean not null,
  primary key (subscriber_id, starts_at)
);
create index cover_by_end on cover (ends_at, subscriber_id) include (starts_at);
create unique index cover_last on cover (subscriber_id) include (starts_at, ends_at) where last;
create index cover_last_by_end on cover (ends_at, subscriber_id) include (starts_at) where last;
comment on table cover is 'the times a subscriber is covered without a gap, all grants taken together; triggers on grants keep it in the same commit';
comment on column cover.last is 'no other of this subscriber comes after it';

create function cover_anew(ids bigint[]) returns void language plpgsql as $$
begin
  -- Whoever else changes their grants is waited for, and its rows are seen below.
  perform from subscriber where id = any(ids) order by id for no key update;
  delete from cover where subscriber_id = any(ids);
  insert into cover (subscriber_id, starts_at, ends_at, last)
  select subscriber_id, lower(span), upper(span), upper(span) = max(upper(span)) over (partition by subscriber_id)
    from (select subscriber_id, unnest(range_agg(tstzrange(starts_at, least(ends_at, revoked_at)))) as span from grants
           where subscriber_id = any(ids) and starts_at < least(ends_at, revoked_at) group by subscriber_id) spans;
end $$;
select cover_anew(array(select distinct subscriber_id from grants));

create function grants_changed() returns trigger language plpgsql as $$
begin
  if tg_level = 'ROW' then
    perform cover_anew(array[new.subscriber_id]);
  else
    perform cover_anew(array(select distinct subscriber_id from changed));
  end if;
  return null;
end $$;
create trigger grants_added after insert on grants referencing new table as changed
  for each statement execute function grants_changed();
create trigger grants_removed after delete on grants referencing old table as changed
  for each statement execute function grants_changed();
-- Not of used_bytes: charging usage has nothing to do with this.
create trigger grants_moved after update of starts_at, ends_at, revoked_at on grants
  for each row execute function grants_changed();

create table prepaid_move (
  id             bigint generated always as identity primary key,
  subscriber_id  bigint not null references subscriber,
  moved_at       timestamptz not null,
  moved_by       text not null,
  revoked_grants bigint[] not null default '{}',
  undone_at      timestamptz,
  undone_by      text
);
create unique index prepaid_move_standing on prepaid_move (subscriber_id) where undone_at is null;
comment on table prepaid_move is 'each move from postpaid to prepaid, with the grants it ended, so that it can be undone';

create table purchase (
  id               bigint generated always as identity primary key,
  number           text not null unique check (number <> ''),
  subscriber_id    bigint not null references subscriber,
  plan_revision_id int not null references plan_revision,
  price_rupiah     bigint not null check (price_rupiah >= 0),
  begins           text not null default 'after' check (begins in ('after', 'now')),
  ordered_by       text not null,
  ordered_at       timestamptz not null,
  expires_at       timestamptz not null,
  cancelled_at     timestamptz,
  cancelled_by     text,
  granted_at       timestamptz,
  grant_id         bigint unique references grants,
  check (num_nonnulls(granted_at, grant_id) <> 1),
  check (cancelled_at is null or grant_id is null)
);
create index purchase_by_time on purchase (ordered_at);
create index purchase_by_subscriber on purchase (subscriber_id, id);
create index purchase_by_sale on purchase (granted_at, plan_revision_id) where granted_at is not null;
create index purchase_open on purchase (expires_at) where cancelled_at is null and grant_id is null;
comment on column purchase.begins is 'when the cover in force ends (now, if there is none), or now in any case';
comment on table purchase is 'a package a subscriber wants; waiting, expired or done is computed from these acts';

create table payment (
  id            bigint generated always as identity primary key,
  purchase_id   bigint not null references purchase,
  subscriber_id bigint not null references subscriber,
  method        text not null check (method <> ''),
  amount_rupiah bigint not null check (amount_rupiah > 0),
  received_at   timestamptz not null,
  received_by   text not null,
  note          text not null default ''
);
create index payment_by_time on payment (received_at) include (amount_rupiah, method);
create index payment_by_subscriber on payment (subscriber_id, id);
create index payment_by_purchase on payment (purchase_id);

create table message (
  id            bigint generated always as identity primary key,
  subscriber_id bigint references subscriber,
  phone         text not null check (phone ~ '^[0-9]{8,15}$'),
  notice        text not null check (notice <> ''),
  body_sealed   bytea not null,
  secret        boolean not null default false,
  once_key      text unique,
  queued_at     timestamptz not null,
  due_at        timestamptz not null,
  expires_at    timestamptz not null,
  claimed_until timestamptz,
  attempts      int not null default 0,
  waiting_for   text,
  transport     text,
  transport_id  text unique,
  sent_at       timestamptz,
  delivered_at  timestamptz,
  read_at       timestamptz,
  failed_at     timestamptz,
  failure       text,
  cancelled_at  timestamptz
);
create index message_due on message (due_at) where sent_at is null and failed_at is null and cancelled_at is null;
create index message_by_time on message (queued_at);
create index message_failed on message (id) where failed_at is not null and cancelled_at is null;
create index message_failed_by_time on message (failed_at) where failed_at is not null and cancelled_at is null;
create index message_by_subscriber on message (subscriber_id, id);
comment on column message.secret is 'the body holds a PIN: no page shows it';
comment on column message.once_key is 'such as ending-soon:GRANT: a notice is queued once';
comment on column message.transport_id is 'chosen before the first try and kept, so that a second try is the same message to the receiver';
comment on column message.waiting_for is 'why it is not sent yet, in words; failure, why it never will be';

create table message_template (
  notice     text not null,
  language   text not null check (language in ('id', 'en')),
  body       text not null,
  changed_at timestamptz not null default now(),
  changed_by text not null,
  primary key (notice, language)
);
comment on table message_template is 'texts that were edited; all others are as shipped';

create table whatsapp_auth (
  kind         text not null,
  id           text not null,
  value_sealed bytea not null,
  primary key (kind, id)
);

create table whatsapp_contact (
  phone          text primary key,
  registered     boolean,
  checked_at     timestamptz,
  first_wrote_at timestamptz,
  last_wrote_at  timestamptz
);
comment on table whatsapp_contact is 'who is on WhatsApp as far as we asked, and who wrote to us first: only those surely get what we send';

create table figure (
  at           timestamptz primary key,
  prepaid      int not null,
  active       int not null,
  need_package int not null,
  expired      int not null,
  depleted     int not null,
  online       int not null
);
comment on table figure is 'counts of subscribers at the end of each slot of 5 minutes, for the charts';

create table rejected_dial (
  id            bigint generated always as identity primary key,
  username      text collate "C" not null,
  subscriber_id bigint,
  nas_id        int not null,
  mac           text,
  reason        text not null,
  times         int not null default 1,
  first_at      timestamptz not null,
  last_at       timestamptz not null
);
create index rejected_dial_by_subscriber on rejected_dial (subscriber_id, last_at) where subscriber_id is not null;
create index rejected_dial_by_username on rejected_dial (username, last_at);
create index rejected_dial_by_time on rejected_dial (last_at);
comment on table rejected_dial is 'one row for a run of equal rejects within ten minutes';

create index audit_by_time on audit (at, id);
create index audit_by_actor on audit (actor, at, id);
create index audit_by_why on audit (why, at, id);
create index due_failing on due (subscriber_id) where attempts >= 3;
alter table session
  add column end_asked_at timestamptz,
  add column end_reason   text;
comment on column session.end_asked_at is 'when somebody asked that it be ended, and end_reason why; null again once its NAS acknowledged that';
create index session_by_address on session (framed_ip) where ended_at is null;
create index session_by_username on session (username);
`;
