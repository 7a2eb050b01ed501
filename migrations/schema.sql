-- What the migrations make, for reading and for review. A test fails when it is stale; make it anew with:
--   UPDATE=1 npx vitest run test/storage/schema.test.ts

create table audit (
  id bigint generated always as identity not null,
  at timestamp with time zone default now() not null,
  actor text not null,
  why text not null,
  subscriber_id bigint,
  detail jsonb default '{}'::jsonb not null,
  constraint audit_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_by_subscriber ON public.audit USING btree (subscriber_id, id) WHERE (subscriber_id IS NOT NULL);
CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

create table change (
  seq bigint generated always as identity not null,
  xid xid8 default pg_current_xact_id() not null,
  topic text not null,
  key bigint not null,
  at timestamp with time zone default now() not null,
  constraint change_pkey PRIMARY KEY (seq),
  constraint change_topic_check CHECK ((topic = ANY (ARRAY['subscriber'::text, 'nas'::text, 'policy'::text])))
);
CREATE INDEX change_by_xid ON public.change USING btree (xid);
comment on table change is 'the feed that keeps every directory fresh; NOTIFY gerbang_change wakes its readers, xid lets them catch up';

create table due (
  subscriber_id bigint not null,
  due_at timestamp with time zone not null,
  valid_below bigint,
  attempts integer default 0 not null,
  claimed_until timestamp with time zone,
  claim bigint,
  last_error text,
  constraint due_pkey PRIMARY KEY (subscriber_id),
  constraint due_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
) with (fillfactor=70);
CREATE INDEX due_next ON public.due USING btree (due_at);
comment on table due is 'when enforcement next looks at a subscriber; valid_below is the chargedBytes at which usage makes it look at once';
comment on column due.claim is 'the number its holder gave it; whoever makes the row due sets claimed_until to null and so takes the claim away';

create table enforcement_act (
  id bigint generated always as identity not null,
  at timestamp with time zone default now() not null,
  subscriber_id bigint not null,
  session_key text not null,
  nas_id integer not null,
  act text not null,
  outcome text not null,
  reason text not null,
  took_ms integer not null,
  constraint enforcement_act_pkey PRIMARY KEY (id)
);
CREATE INDEX enforcement_act_by_subscriber ON public.enforcement_act USING btree (subscriber_id, id);
comment on table enforcement_act is 'every CoA and Disconnect with what came of it';

create table grants (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  plan_revision_id integer not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  used_bytes bigint default 0 not null,
  created_at timestamp with time zone default now() not null,
  constraint grants_pkey PRIMARY KEY (id),
  constraint grants_plan_revision_id_fkey FOREIGN KEY (plan_revision_id) REFERENCES plan_revision(id),
  constraint grants_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint grants_check CHECK ((starts_at < ends_at)),
  constraint grants_used_bytes_check CHECK ((used_bytes >= 0))
) with (fillfactor=80);
CREATE INDEX grants_by_subscriber ON public.grants USING btree (subscriber_id, ends_at);

create table job_run (
  job text not null,
  slot timestamp with time zone not null,
  finished_at timestamp with time zone not null,
  constraint job_run_pkey PRIMARY KEY (job)
);
comment on table job_run is 'the newest slot of time for which each job has been done, by whichever node';

create table journal_position (
  journal text not null,
  segment bigint not null,
  "offset" bigint not null,
  constraint journal_position_pkey PRIMARY KEY (journal)
);
comment on table journal_position is 'how far each accounting journal is applied; moved in the transaction that applies';

create table nas (
  id integer generated always as identity not null,
  name text not null,
  address cidr not null,
  secret_sealed bytea not null,
  coa_port integer default 3799 not null,
  coa_per_second integer default 50 not null,
  message_authenticator text default 'auto'::text not null,
  message_authenticator_seen boolean default false not null,
  swap_octets boolean default false not null,
  tags text[] default '{}'::text[] not null,
  created_at timestamp with time zone default now() not null,
  constraint nas_pkey PRIMARY KEY (id),
  constraint nas_address_key UNIQUE (address),
  constraint nas_name_key UNIQUE (name),
  constraint nas_coa_per_second_check CHECK ((coa_per_second > 0)),
  constraint nas_coa_port_check CHECK (((coa_port >= 1) AND (coa_port <= 65535))),
  constraint nas_message_authenticator_check CHECK ((message_authenticator = ANY (ARRAY['required'::text, 'auto'::text, 'off'::text]))),
  constraint nas_name_check CHECK ((name <> ''::text))
);
comment on column nas.message_authenticator_seen is 'learned under auto: once a request carried it, requests without it are dropped';
comment on column nas.swap_octets is 'this router reports Acct-Input-Octets as the download';

create table plan (
  id integer generated always as identity not null,
  name text not null,
  created_at timestamp with time zone default now() not null,
  retired_at timestamp with time zone,
  constraint plan_pkey PRIMARY KEY (id),
  constraint plan_name_key UNIQUE (name),
  constraint plan_name_check CHECK ((name <> ''::text))
);

create table plan_revision (
  id integer generated always as identity not null,
  plan_id integer not null,
  revision integer not null,
  download_bps bigint not null,
  upload_bps bigint not null,
  burst jsonb,
  allowance_bytes bigint,
  period_days integer,
  period_months integer,
  price_rupiah bigint not null,
  profile text,
  created_at timestamp with time zone default now() not null,
  constraint plan_revision_pkey PRIMARY KEY (id),
  constraint plan_revision_plan_id_revision_key UNIQUE (plan_id, revision),
  constraint plan_revision_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES plan(id),
  constraint plan_revision_allowance_bytes_check CHECK ((allowance_bytes > 0)),
  constraint plan_revision_check CHECK ((num_nonnulls(period_days, period_months) = 1)),
  constraint plan_revision_download_bps_check CHECK ((download_bps > 0)),
  constraint plan_revision_period_days_check CHECK ((period_days > 0)),
  constraint plan_revision_period_months_check CHECK ((period_months > 0)),
  constraint plan_revision_price_rupiah_check CHECK ((price_rupiah >= 0)),
  constraint plan_revision_profile_check CHECK ((profile <> ''::text)),
  constraint plan_revision_revision_check CHECK ((revision > 0)),
  constraint plan_revision_upload_bps_check CHECK ((upload_bps > 0))
);
comment on table plan_revision is 'what was sold never changes: an edit makes a new revision';

create table policy_revision (
  id integer generated always as identity not null,
  document jsonb not null,
  note text default ''::text not null,
  created_by text not null,
  created_at timestamp with time zone default now() not null,
  published_at timestamp with time zone,
  constraint policy_revision_pkey PRIMARY KEY (id)
);
comment on column policy_revision.published_at is 'the revision with the newest published_at is in force';

create table quarantine (
  id bigint generated always as identity not null,
  at timestamp with time zone default now() not null,
  journal text not null,
  segment bigint not null,
  "offset" bigint not null,
  reason text not null,
  packet bytea not null,
  constraint quarantine_pkey PRIMARY KEY (id),
  constraint quarantine_journal_segment_offset_key UNIQUE (journal, segment, "offset")
);

create table session (
  id bigint generated always as identity not null,
  key text collate "C" not null,
  nas_id integer not null,
  nas_address inet not null,
  acct_session_id text collate "C" not null,
  username text collate "C" not null,
  subscriber_id bigint,
  mac text,
  framed_ip inet,
  nas_port_id text,
  started_at timestamp with time zone not null,
  heard_at timestamp with time zone not null,
  seconds bigint default 0 not null,
  up_bytes bigint default 0 not null,
  down_bytes bigint default 0 not null,
  raw_up bigint default 0 not null,
  raw_down bigint default 0 not null,
  day date not null,
  day_up bigint default 0 not null,
  day_down bigint default 0 not null,
  told_live text,
  told_fixed text,
  told_at timestamp with time zone,
  confirmed_at timestamp with time zone,
  ending_since timestamp with time zone,
  ended_at timestamp with time zone,
  cause text,
  flags text[] default '{}'::text[] not null,
  constraint session_pkey PRIMARY KEY (id),
  constraint session_key_key UNIQUE (key),
  constraint session_nas_id_fkey FOREIGN KEY (nas_id) REFERENCES nas(id),
  constraint session_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
) with (fillfactor=60);
CREATE INDEX session_by_nas ON public.session USING btree (nas_id, acct_session_id);
CREATE INDEX session_by_subscriber ON public.session USING btree (subscriber_id) WHERE (ended_at IS NULL);
comment on column session.key is 'the token we put in Class; for a session without it, one made from NAS, address, id, user name and start';
comment on column session.nas_address is 'where its accounting last came from: of a NAS that is a block, the router that holds the session';
comment on column session.raw_up is 'the counter as last received; up_bytes is what it amounts to after wraps and resets';
comment on column session.day_up is 'bytes of this session on its running day; a new day or the end moves them to usage_daily';
comment on column session.told_at is 'when the NAS acknowledged what it was told; confirmed_at, when later accounting bore it out';

create table session_history (
  id bigint not null,
  key text collate "C" not null,
  nas_id integer not null,
  nas_address inet not null,
  acct_session_id text collate "C" not null,
  username text collate "C" not null,
  subscriber_id bigint,
  mac text,
  framed_ip inet,
  nas_port_id text,
  started_at timestamp with time zone not null,
  heard_at timestamp with time zone not null,
  seconds bigint not null,
  up_bytes bigint not null,
  down_bytes bigint not null,
  raw_up bigint not null,
  raw_down bigint not null,
  ended_at timestamp with time zone not null,
  cause text,
  flags text[] default '{}'::text[] not null,
  constraint session_history_pkey PRIMARY KEY (ended_at, id)
) partition by RANGE (ended_at);
CREATE INDEX session_history_framed_ip_ended_at_idx ON ONLY public.session_history USING btree (framed_ip, ended_at);
CREATE INDEX session_history_key_idx ON ONLY public.session_history USING btree (key);
CREATE INDEX session_history_subscriber_id_ended_at_idx ON ONLY public.session_history USING btree (subscriber_id, ended_at DESC);

create table staff (
  id integer generated always as identity not null,
  username text not null,
  password_hash text not null,
  role text not null,
  must_change_password boolean default true not null,
  created_at timestamp with time zone default now() not null,
  constraint staff_pkey PRIMARY KEY (id),
  constraint staff_username_key UNIQUE (username),
  constraint staff_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'customer-service'::text, 'technician'::text, 'network-engineer'::text]))),
  constraint staff_username_check CHECK ((username <> ''::text))
);

create table subscriber (
  id bigint generated always as identity not null,
  username text collate "C" not null,
  password_sealed bytea not null,
  name text default ''::text not null,
  phone text,
  billing text default 'prepaid'::text not null,
  tags text[] default '{}'::text[] not null,
  suspended_at timestamp with time zone,
  mac text,
  session_limit integer default 1 not null,
  static_ip inet,
  framed_ipv6_prefix cidr,
  delegated_ipv6_prefix cidr,
  version bigint default 0 not null,
  created_at timestamp with time zone default now() not null,
  constraint subscriber_pkey PRIMARY KEY (id),
  constraint subscriber_static_ip_key UNIQUE (static_ip),
  constraint subscriber_username_key UNIQUE (username),
  constraint subscriber_billing_check CHECK ((billing = ANY (ARRAY['prepaid'::text, 'postpaid'::text]))),
  constraint subscriber_mac_check CHECK ((mac ~ '^([0-9A-F]{2}:){5}[0-9A-F]{2}$'::text)),
  constraint subscriber_session_limit_check CHECK ((session_limit > 0)),
  constraint subscriber_username_check CHECK (((username <> ''::text) AND (length(username) <= 253)))
);
comment on column subscriber.version is 'the sequence number of the newest row in change for this subscriber';

create table usage_daily (
  subscriber_id bigint not null,
  day date not null,
  up_bytes bigint not null,
  down_bytes bigint not null,
  constraint usage_daily_pkey PRIMARY KEY (subscriber_id, day)
) partition by RANGE (day);

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin raise exception '% is append-only', tg_table_name; end $function$;
