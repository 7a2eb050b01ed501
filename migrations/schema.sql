-- What the migrations make, for reading and for review. A test fails when it is stale; make it anew with:
--   UPDATE=1 npx vitest run test/storage/schema.test.ts

create table acs_device (
  subscriber_id bigint not null,
  device_id text,
  others integer default 0 not null,
  reading jsonb,
  read_at timestamp with time zone,
  asked_at timestamp with time zone not null,
  error text,
  constraint acs_device_pkey PRIMARY KEY (subscriber_id),
  constraint acs_device_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
);
comment on column acs_device.others is 'further devices with the same PPPoE user name: a conflict for staff to see';

create table acs_task (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  device_id text not null,
  kind text not null,
  body_sealed bytea not null,
  state text default 'queued'::text not null,
  acs_id text,
  created_at timestamp with time zone not null,
  created_by text not null,
  due_at timestamp with time zone not null,
  claimed_until timestamp with time zone,
  attempts integer default 0 not null,
  ended_at timestamp with time zone,
  error text,
  constraint acs_task_pkey PRIMARY KEY (id),
  constraint acs_task_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint acs_task_kind_check CHECK ((kind = ANY (ARRAY['wifi'::text, 'reboot'::text, 'refresh'::text]))),
  constraint acs_task_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sent'::text, 'done'::text, 'waiting'::text, 'failed'::text])))
);
CREATE INDEX acs_task_by_subscriber ON public.acs_task USING btree (subscriber_id, id);
CREATE INDEX acs_task_due ON public.acs_task USING btree (due_at) WHERE (ended_at IS NULL);

create table audit (
  id bigint generated always as identity not null,
  at timestamp with time zone default now() not null,
  actor text not null,
  why text not null,
  subscriber_id bigint,
  detail jsonb default '{}'::jsonb not null,
  constraint audit_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_by_actor ON public.audit USING btree (actor, at, id);
CREATE INDEX audit_by_subscriber ON public.audit USING btree (subscriber_id, id) WHERE (subscriber_id IS NOT NULL);
CREATE INDEX audit_by_time ON public.audit USING btree (at, id);
CREATE INDEX audit_by_why ON public.audit USING btree (why, at, id);
CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

create table auto_pay (
  subscriber_id bigint not null,
  method_id bigint,
  plan_id integer,
  begun_at timestamp with time zone not null,
  begun_by text not null,
  working_on text,
  told_rupiah bigint,
  told_at timestamp with time zone,
  invoice_id bigint,
  order_id text,
  failures integer default 0 not null,
  next_try_at timestamp with time zone not null,
  last_error text,
  paused_at timestamp with time zone,
  constraint auto_pay_pkey PRIMARY KEY (subscriber_id),
  constraint auto_pay_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id),
  constraint auto_pay_method_id_fkey FOREIGN KEY (method_id) REFERENCES saved_method(id),
  constraint auto_pay_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES plan(id),
  constraint auto_pay_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
);
CREATE INDEX auto_pay_due ON public.auto_pay USING btree (next_try_at) WHERE (paused_at IS NULL);
comment on column auto_pay.method_id is 'what is charged; null = from the balance';
comment on column auto_pay.plan_id is 'the package to renew; null = the one that runs out';
comment on column auto_pay.working_on is 'what is to be paid next: the cover that ends, or an invoice; told and tried counts are of it';
comment on column auto_pay.order_id is 'a charge was begun whose outcome is not known yet; it is asked about, never begun again under another id';
comment on column auto_pay.next_try_at is 'when to look at it again';

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

create table cover (
  subscriber_id bigint not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  last boolean not null,
  constraint cover_pkey PRIMARY KEY (subscriber_id, starts_at),
  constraint cover_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint cover_check CHECK ((ends_at > starts_at))
);
CREATE INDEX cover_by_end ON public.cover USING btree (ends_at, subscriber_id) INCLUDE (starts_at);
CREATE UNIQUE INDEX cover_last ON public.cover USING btree (subscriber_id) INCLUDE (starts_at, ends_at) WHERE last;
CREATE INDEX cover_last_by_end ON public.cover USING btree (ends_at, subscriber_id) INCLUDE (starts_at) WHERE last;
comment on table cover is 'the times a subscriber is covered without a gap, all grants taken together; triggers on grants keep it in the same commit';
comment on column cover.last is 'no other of this subscriber comes after it';

create table credit_note (
  id bigint generated always as identity not null,
  number text not null,
  invoice_id bigint not null,
  amount_rupiah bigint not null,
  reason text not null,
  issued_at timestamp with time zone not null,
  issued_by text not null,
  constraint credit_note_pkey PRIMARY KEY (id),
  constraint credit_note_number_key UNIQUE (number),
  constraint credit_note_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id),
  constraint credit_note_amount_rupiah_check CHECK ((amount_rupiah > 0)),
  constraint credit_note_number_check CHECK ((number <> ''::text)),
  constraint credit_note_reason_check CHECK ((reason <> ''::text))
);
CREATE INDEX credit_note_by_invoice ON public.credit_note USING btree (invoice_id);

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
CREATE INDEX due_failing ON public.due USING btree (subscriber_id) WHERE (attempts >= 3);
CREATE INDEX due_next ON public.due USING btree (due_at);
comment on table due is 'when enforcement next looks at a subscriber; valid_below is the chargedBytes at which usage makes it look at once';
comment on column due.claim is 'the number its holder gave it, null once that has settled; whoever makes the row due sets claimed_until to null and so takes the claim away';

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
CREATE INDEX enforcement_act_by_nas ON public.enforcement_act USING btree (nas_id, id);
CREATE INDEX enforcement_act_by_subscriber ON public.enforcement_act USING btree (subscriber_id, id);
comment on table enforcement_act is 'every CoA and Disconnect with what came of it';

create table figure (
  at timestamp with time zone not null,
  prepaid integer not null,
  active integer not null,
  need_package integer not null,
  expired integer not null,
  depleted integer not null,
  online integer not null,
  constraint figure_pkey PRIMARY KEY (at)
);
comment on table figure is 'counts of subscribers at the end of each slot of 5 minutes, for the charts';

create table gateway_event (
  id bigint generated always as identity not null,
  gateway text not null,
  received_at timestamp with time zone not null,
  source inet,
  raw_sealed bytea not null,
  digest bytea not null,
  order_id text,
  status text,
  due_at timestamp with time zone not null,
  attempts integer default 0 not null,
  claimed_until timestamp with time zone,
  worked_at timestamp with time zone,
  outcome text,
  error text,
  constraint gateway_event_pkey PRIMARY KEY (id),
  constraint gateway_event_gateway_digest_key UNIQUE (gateway, digest),
  constraint gateway_event_gateway_check CHECK ((gateway = ANY (ARRAY['midtrans'::text, 'xendit'::text])))
);
CREATE INDEX gateway_event_by_order ON public.gateway_event USING btree (order_id);
CREATE INDEX gateway_event_by_time ON public.gateway_event USING btree (received_at);
CREATE INDEX gateway_event_due ON public.gateway_event USING btree (due_at) WHERE (worked_at IS NULL);
comment on table gateway_event is 'the payment inbox: what gateways said, octet for octet, before anything was done about it';

create table grants (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  plan_revision_id integer not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  used_bytes bigint default 0 not null,
  created_at timestamp with time zone default now() not null,
  allowance_bytes bigint,
  spent boolean default COALESCE((used_bytes >= allowance_bytes), false) not null,
  metered_at timestamp with time zone,
  metered_bases bigint[],
  constraint grants_pkey PRIMARY KEY (id),
  constraint grants_plan_revision_id_fkey FOREIGN KEY (plan_revision_id) REFERENCES plan_revision(id),
  constraint grants_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint grants_check CHECK ((starts_at < ends_at)),
  constraint grants_check1 CHECK ((((metered_at IS NULL) = (metered_bases IS NULL)) AND (cardinality(metered_bases) = 6))),
  constraint grants_used_bytes_check CHECK ((used_bytes >= 0))
) with (fillfactor=80);
CREATE INDEX grants_by_end ON public.grants USING btree (LEAST(ends_at, revoked_at));
CREATE INDEX grants_by_plan ON public.grants USING btree (plan_revision_id);
CREATE INDEX grants_by_subscriber ON public.grants USING btree (subscriber_id, ends_at);
CREATE INDEX grants_spent ON public.grants USING btree (LEAST(ends_at, revoked_at)) WHERE spent;
CREATE TRIGGER grants_added AFTER INSERT ON public.grants REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION grants_changed();
CREATE TRIGGER grants_allowance BEFORE INSERT OR UPDATE OF plan_revision_id ON public.grants FOR EACH ROW EXECUTE FUNCTION grants_allowance();
CREATE TRIGGER grants_moved AFTER UPDATE OF starts_at, ends_at, revoked_at ON public.grants FOR EACH ROW EXECUTE FUNCTION grants_changed();
CREATE TRIGGER grants_removed AFTER DELETE ON public.grants REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION grants_changed();
comment on column grants.allowance_bytes is 'of its plan revision, which never changes; a trigger copies it, so that the row alone says whether it is spent';
comment on column grants.spent is 'an index on this leaves charging as cheap as before (HOT) but for the one charge that spends the grant';
comment on column grants.metered_at is 'an instant of usage in the newest periods that were charged; null = nothing was, since there is metering';
comment on column grants.metered_bases is 'used_bytes when the day, week and month began in which metered_at lies, of the calendar and then counted from starts_at; late usage of an earlier one included';

create table installation (
  single boolean default true not null,
  id text default "left"(replace((gen_random_uuid())::text, '-'::text, ''::text), 8) not null,
  constraint installation_pkey PRIMARY KEY (single),
  constraint installation_id_check CHECK ((id ~ '^[0-9a-f]{8}$'::text)),
  constraint installation_single_check CHECK (single)
);
comment on table installation is 'one row: what tells this installation from others in what it leaves on routers; it never changes';

create table invoice (
  id bigint generated always as identity not null,
  public_id text not null,
  number text not null,
  subscriber_id bigint not null,
  kind text not null,
  purchase_id bigint,
  subscription_id bigint,
  promo_id integer,
  issued_at timestamp with time zone not null,
  issued_by text not null,
  due_on date not null,
  due_at timestamp with time zone not null,
  service_from timestamp with time zone,
  service_until timestamp with time zone,
  tax_permille integer default 0 not null,
  tax_rupiah bigint default 0 not null,
  total_rupiah bigint not null,
  credited_rupiah bigint default 0 not null,
  settled_at timestamp with time zone,
  settlements integer default 0 not null,
  voided_at timestamp with time zone,
  voided_by text,
  recognised_rupiah bigint default 0 not null,
  constraint invoice_pkey PRIMARY KEY (id),
  constraint invoice_number_key UNIQUE (number),
  constraint invoice_public_id_key UNIQUE (public_id),
  constraint invoice_purchase_id_key UNIQUE (purchase_id),
  constraint invoice_promo_id_fkey FOREIGN KEY (promo_id) REFERENCES promo(id),
  constraint invoice_purchase_id_fkey FOREIGN KEY (purchase_id) REFERENCES purchase(id),
  constraint invoice_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint invoice_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES subscription(id),
  constraint invoice_check CHECK (((credited_rupiah >= 0) AND (credited_rupiah <= total_rupiah))),
  constraint invoice_check1 CHECK (((service_from IS NULL) OR (service_from < service_until))),
  constraint invoice_check2 CHECK (((settled_at IS NULL) OR (voided_at IS NULL))),
  constraint invoice_check3 CHECK (((kind = 'package'::text) = (purchase_id IS NOT NULL))),
  constraint invoice_check4 CHECK (((kind <> 'period'::text) OR (subscription_id IS NOT NULL))),
  constraint invoice_kind_check CHECK ((kind = ANY (ARRAY['package'::text, 'period'::text, 'other'::text]))),
  constraint invoice_number_check CHECK ((number <> ''::text)),
  constraint invoice_public_id_check CHECK ((public_id ~ '^inv_[0-9A-Za-z]{20}$'::text)),
  constraint invoice_tax_permille_check CHECK (((tax_permille >= 0) AND (tax_permille <= 1000))),
  constraint invoice_tax_rupiah_check CHECK ((tax_rupiah >= 0)),
  constraint invoice_total_rupiah_check CHECK ((total_rupiah >= 0))
);
CREATE INDEX invoice_by_subscriber ON public.invoice USING btree (subscriber_id, id);
CREATE INDEX invoice_by_time ON public.invoice USING btree (issued_at, id);
CREATE INDEX invoice_open ON public.invoice USING btree (due_at) WHERE ((settled_at IS NULL) AND (voided_at IS NULL));
CREATE INDEX invoice_owed ON public.invoice USING btree (subscriber_id, due_at) WHERE ((settled_at IS NULL) AND (voided_at IS NULL) AND (kind = 'period'::text));
CREATE UNIQUE INDEX invoice_period ON public.invoice USING btree (subscription_id, service_from) WHERE ((kind = 'period'::text) AND (voided_at IS NULL));
CREATE INDEX invoice_to_recognise ON public.invoice USING btree (id) WHERE ((settled_at IS NOT NULL) AND (recognised_rupiah < (total_rupiah - tax_rupiah)));
comment on column invoice.due_at is 'the end of the local day due_on: overdue from then on';
comment on column invoice.credited_rupiah is 'by credit notes; what is owed is total_rupiah less this';
comment on column invoice.settlements is 'how often it was settled: a payment that is taken back makes it owed again';
comment on column invoice.recognised_rupiah is 'of the total without tax, what is revenue by now, for the service that was given';

create table invoice_line (
  invoice_id bigint not null,
  "position" smallint not null,
  kind text not null,
  description text not null,
  plan_revision_id integer,
  amount_rupiah bigint not null,
  constraint invoice_line_pkey PRIMARY KEY (invoice_id, "position"),
  constraint invoice_line_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id),
  constraint invoice_line_plan_revision_id_fkey FOREIGN KEY (plan_revision_id) REFERENCES plan_revision(id),
  constraint invoice_line_description_check CHECK ((description <> ''::text)),
  constraint invoice_line_kind_check CHECK ((kind = ANY (ARRAY['plan'::text, 'proration'::text, 'discount'::text, 'tax'::text, 'other'::text]))),
  constraint invoice_line_position_check CHECK (("position" > 0))
);

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

create table ledger_day (
  day date not null,
  transactions integer not null,
  previous_hash bytea not null,
  hash bytea not null,
  closed_at timestamp with time zone not null,
  constraint ledger_day_pkey PRIMARY KEY (day)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_day FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
comment on table ledger_day is 'each closed day sealed by SHA-256 over the day before and all its transactions: nothing can be slipped in or taken out unseen';

create table ledger_entry (
  transaction_id bigint not null,
  "position" smallint not null,
  account text not null,
  subscriber_id bigint,
  amount_rupiah bigint not null,
  constraint ledger_entry_pkey PRIMARY KEY (transaction_id, "position"),
  constraint ledger_entry_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES ledger_transaction(id),
  constraint ledger_entry_account_check CHECK ((account <> ''::text)),
  constraint ledger_entry_amount_rupiah_check CHECK ((amount_rupiah <> 0)),
  constraint ledger_entry_check CHECK (((account = 'customer-credit'::text) = (subscriber_id IS NOT NULL))),
  constraint ledger_entry_position_check CHECK (("position" > 0))
);
CREATE INDEX ledger_entry_by_account ON public.ledger_entry USING btree (account, transaction_id);
CREATE INDEX ledger_entry_of_customer ON public.ledger_entry USING btree (subscriber_id) INCLUDE (amount_rupiah) WHERE (subscriber_id IS NOT NULL);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE CONSTRAINT TRIGGER balances AFTER INSERT ON public.ledger_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
CREATE TRIGGER closed_day AFTER INSERT ON public.ledger_entry REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_closed_day();
comment on column ledger_entry.amount_rupiah is 'debit above zero, credit below';

create table ledger_transaction (
  id bigint generated always as identity not null,
  day date not null,
  at timestamp with time zone not null,
  kind text not null,
  reference text not null,
  subscriber_id bigint,
  detail jsonb default '{}'::jsonb not null,
  constraint ledger_transaction_pkey PRIMARY KEY (id),
  constraint ledger_transaction_reference_key UNIQUE (reference),
  constraint ledger_transaction_kind_check CHECK ((kind <> ''::text)),
  constraint ledger_transaction_reference_check CHECK ((reference <> ''::text))
);
CREATE INDEX ledger_transaction_by_day ON public.ledger_transaction USING btree (day, id);
CREATE INDEX ledger_transaction_by_subscriber ON public.ledger_transaction USING btree (subscriber_id, id) WHERE (subscriber_id IS NOT NULL);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_transaction FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER open_day BEFORE INSERT ON public.ledger_transaction FOR EACH ROW EXECUTE FUNCTION ledger_open_day();

create table login_budget (
  bucket text not null,
  window_start timestamp with time zone not null,
  failures integer not null,
  constraint login_budget_pkey PRIMARY KEY (bucket)
);
comment on table login_budget is 'wrong logins in the running window, of an address or of everybody together';

create table message (
  id bigint generated always as identity not null,
  subscriber_id bigint,
  phone text not null,
  notice text not null,
  body_sealed bytea not null,
  secret boolean default false not null,
  once_key text,
  queued_at timestamp with time zone not null,
  due_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  claimed_until timestamp with time zone,
  attempts integer default 0 not null,
  waiting_for text,
  transport text,
  transport_id text,
  sent_at timestamp with time zone,
  delivered_at timestamp with time zone,
  read_at timestamp with time zone,
  failed_at timestamp with time zone,
  failure text,
  cancelled_at timestamp with time zone,
  constraint message_pkey PRIMARY KEY (id),
  constraint message_once_key_key UNIQUE (once_key),
  constraint message_transport_id_key UNIQUE (transport_id),
  constraint message_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint message_notice_check CHECK ((notice <> ''::text)),
  constraint message_phone_check CHECK ((phone ~ '^[0-9]{8,15}$'::text))
);
CREATE INDEX message_by_subscriber ON public.message USING btree (subscriber_id, id);
CREATE INDEX message_by_time ON public.message USING btree (queued_at);
CREATE INDEX message_due ON public.message USING btree (due_at) WHERE ((sent_at IS NULL) AND (failed_at IS NULL) AND (cancelled_at IS NULL));
CREATE INDEX message_failed ON public.message USING btree (id) WHERE ((failed_at IS NOT NULL) AND (cancelled_at IS NULL));
CREATE INDEX message_failed_by_time ON public.message USING btree (failed_at) WHERE ((failed_at IS NOT NULL) AND (cancelled_at IS NULL));
comment on column message.secret is 'the body holds a PIN: no page shows it';
comment on column message.once_key is 'such as ending-soon:GRANT: a notice is queued once';
comment on column message.waiting_for is 'why it is not sent yet, in words; failure, why it never will be';
comment on column message.transport_id is 'chosen before the first try and kept, so that a second try is the same message to the receiver';

create table message_template (
  notice text not null,
  language text not null,
  body text not null,
  changed_at timestamp with time zone default now() not null,
  changed_by text not null,
  constraint message_template_pkey PRIMARY KEY (notice, language),
  constraint message_template_language_check CHECK ((language = ANY (ARRAY['id'::text, 'en'::text])))
);
comment on table message_template is 'texts that were edited; all others are as shipped';

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
  api_host inet,
  api_port integer default 8729 not null,
  api_tls text default 'pinned'::text not null,
  api_fingerprint text,
  api_user text,
  api_password_sealed bytea,
  api_seen_at timestamp with time zone,
  api_error text,
  recognises_lines boolean default true not null,
  script_garden text[],
  vendor text default 'mikrotik'::text not null,
  proxy boolean default false not null,
  coa_via_id bigint,
  constraint nas_pkey PRIMARY KEY (id),
  constraint nas_address_key UNIQUE (address),
  constraint nas_name_key UNIQUE (name),
  constraint nas_coa_via_id_fkey FOREIGN KEY (coa_via_id) REFERENCES nas(id),
  constraint nas_api_fingerprint_check CHECK ((api_fingerprint ~ '^[0-9a-f]{64}$'::text)),
  constraint nas_api_port_check CHECK (((api_port >= 1) AND (api_port <= 65535))),
  constraint nas_api_tls_check CHECK ((api_tls = ANY (ARRAY['off'::text, 'pinned'::text, 'verified'::text]))),
  constraint nas_api_user_check CHECK ((api_user <> ''::text)),
  constraint nas_check CHECK ((coa_via_id IS DISTINCT FROM id)),
  constraint nas_coa_per_second_check CHECK ((coa_per_second > 0)),
  constraint nas_coa_port_check CHECK (((coa_port >= 1) AND (coa_port <= 65535))),
  constraint nas_message_authenticator_check CHECK ((message_authenticator = ANY (ARRAY['required'::text, 'auto'::text, 'off'::text]))),
  constraint nas_name_check CHECK ((name <> ''::text)),
  constraint nas_vendor_check CHECK ((vendor = ANY (ARRAY['mikrotik'::text, 'generic'::text, 'accel-ppp'::text])))
);
CREATE INDEX nas_by_coa_via ON public.nas USING btree (coa_via_id) WHERE (coa_via_id IS NOT NULL);
comment on column nas.message_authenticator_seen is 'learned under auto: once a request carried it, requests without it are dropped';
comment on column nas.swap_octets is 'this router reports Acct-Input-Octets as the download';
comment on column nas.api_host is 'where the RouterOS API answers; null = at the address of the NAS, when that is a single one';
comment on column nas.api_fingerprint is 'SHA-256 of the certificate that was trusted at the first connection (pinned)';
comment on column nas.api_seen_at is 'when the RouterOS API last answered; api_error says why it last did not, null after a success';
comment on column nas.recognises_lines is 'the splash page greets a line by its source address when that is the live Framed-IP of a session here';
comment on column nas.script_garden is 'what the walled garden of the script made last holds; null = none was made since there are gateways';
comment on column nas.proxy is 'it asks for routers behind it and is believed when it names one by NAS-IP-Address';
comment on column nas.coa_via_id is 'the proxy that passes CoA and Disconnect on to this router; null = they go to the router itself';

create table nas_router (
  nas_id integer not null,
  address inet not null,
  identity text,
  first_at timestamp with time zone not null,
  auth_at timestamp with time zone,
  acct_at timestamp with time zone,
  right_at timestamp with time zone,
  wrong_at timestamp with time zone,
  signed_at timestamp with time zone,
  unsigned_at timestamp with time zone,
  skew_ms bigint,
  skew_at timestamp with time zone,
  constraint nas_router_pkey PRIMARY KEY (nas_id, address),
  constraint nas_router_nas_id_fkey FOREIGN KEY (nas_id) REFERENCES nas(id) ON DELETE CASCADE,
  constraint nas_router_check CHECK (((skew_ms IS NULL) = (skew_at IS NULL)))
) with (fillfactor=50);
comment on table nas_router is 'each address a NAS has spoken from, and when it last showed what; of a NAS that is a block there are many';
comment on column nas_router.right_at is 'when something last bore its secret out; wrong_at, when something spoke against it';
comment on column nas_router.skew_ms is 'how far its clock was ahead of ours by Event-Timestamp; negative = behind';

create table nas_signs (
  nas_id integer not null,
  address inet not null,
  slot timestamp with time zone not null,
  accepted integer default 0 not null,
  rejected integer default 0 not null,
  signed integer default 0 not null,
  unsigned integer default 0 not null,
  unsigned_dropped integer default 0 not null,
  pap_readable integer default 0 not null,
  pap_garbled integer default 0 not null,
  auth_forged integer default 0 not null,
  acct_forged integer default 0 not null,
  accounted integer default 0 not null,
  delayed integer default 0 not null,
  again_queued integer default 0 not null,
  again_held integer default 0 not null,
  again_unwritten integer default 0 not null,
  again_soon integer default 0 not null,
  again_late integer default 0 not null,
  repeated integer default 0 not null,
  rate_kept integer default 0 not null,
  rate_exceeded integer default 0 not null,
  coa_kept integer default 0 not null,
  coa_exceeded integer default 0 not null,
  coa_acknowledged integer default 0 not null,
  coa_refused integer default 0 not null,
  coa_silent integer default 0 not null,
  gaps bigint[] not null,
  constraint nas_signs_pkey PRIMARY KEY (nas_id, address, slot),
  constraint nas_signs_nas_id_fkey FOREIGN KEY (nas_id) REFERENCES nas(id) ON DELETE CASCADE
) with (fillfactor=50);
CREATE INDEX nas_signs_by_slot ON public.nas_signs USING btree (slot);
comment on table nas_signs is 'counts of each router in each quarter of an hour (domain/nas-signs.ts says what each counts), added up over all nodes';
comment on column nas_signs.gaps is 'how long it was from one interim of a session to the next: counts in buckets';

create table number_counter (
  series text not null,
  year integer not null,
  last integer not null,
  constraint number_counter_pkey PRIMARY KEY (series, year),
  constraint number_counter_last_check CHECK ((last > 0))
);
comment on table number_counter is 'the number given last in a series of a year; its row is locked until what has the number is committed, so that none is skipped';

create table payment (
  id bigint generated always as identity not null,
  purchase_id bigint,
  subscriber_id bigint not null,
  method text not null,
  amount_rupiah bigint not null,
  received_at timestamp with time zone not null,
  received_by text not null,
  note text default ''::text not null,
  invoice_id bigint,
  intent_id bigint,
  gateway text,
  gateway_ref text,
  receipt_number text,
  once_key text,
  constraint payment_pkey PRIMARY KEY (id),
  constraint payment_gateway_gateway_ref_key UNIQUE (gateway, gateway_ref),
  constraint payment_once_key_key UNIQUE (once_key),
  constraint payment_receipt_number_key UNIQUE (receipt_number),
  constraint payment_intent_id_fkey FOREIGN KEY (intent_id) REFERENCES payment_intent(id),
  constraint payment_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id),
  constraint payment_purchase_id_fkey FOREIGN KEY (purchase_id) REFERENCES purchase(id),
  constraint payment_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint payment_amount_rupiah_check CHECK ((amount_rupiah > 0)),
  constraint payment_check CHECK (((gateway IS NULL) = (gateway_ref IS NULL))),
  constraint payment_gateway_check CHECK ((gateway = ANY (ARRAY['midtrans'::text, 'xendit'::text]))),
  constraint payment_method_check CHECK ((method <> ''::text))
);
CREATE INDEX payment_by_invoice ON public.payment USING btree (invoice_id) WHERE (invoice_id IS NOT NULL);
CREATE INDEX payment_by_purchase ON public.payment USING btree (purchase_id);
CREATE INDEX payment_by_subscriber ON public.payment USING btree (subscriber_id, id);
CREATE INDEX payment_by_time ON public.payment USING btree (received_at) INCLUDE (amount_rupiah, method);
comment on column payment.gateway_ref is 'the gateway''s own number of the payment: it counts once';
comment on column payment.receipt_number is 'given when its receipt is first asked for, without gaps';
comment on column payment.once_key is 'of the form that told of money by hand: sent twice, it counts once';

create table payment_intent (
  id bigint generated always as identity not null,
  order_id text not null,
  gateway text not null,
  subscriber_id bigint not null,
  invoice_id bigint,
  amount_rupiah bigint not null,
  state text default 'created'::text not null,
  created_at timestamp with time zone not null,
  created_by text not null,
  claimed_until timestamp with time zone,
  gateway_id text,
  link_sealed bytea,
  expires_at timestamp with time zone,
  paid_at timestamp with time zone,
  closed_at timestamp with time zone,
  save_method boolean default false not null,
  polls integer default 0 not null,
  next_poll_at timestamp with time zone,
  last_asked_at timestamp with time zone,
  last_answer text,
  method_id bigint,
  constraint payment_intent_pkey PRIMARY KEY (id),
  constraint payment_intent_order_id_key UNIQUE (order_id),
  constraint payment_intent_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id),
  constraint payment_intent_method_id_fkey FOREIGN KEY (method_id) REFERENCES saved_method(id),
  constraint payment_intent_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint payment_intent_amount_rupiah_check CHECK ((amount_rupiah > 0)),
  constraint payment_intent_gateway_check CHECK ((gateway = ANY (ARRAY['midtrans'::text, 'xendit'::text]))),
  constraint payment_intent_order_id_check CHECK ((order_id ~ '^[A-Za-z0-9._~-]{1,50}$'::text)),
  constraint payment_intent_state_check CHECK ((state = ANY (ARRAY['created'::text, 'pending'::text, 'review'::text, 'paid'::text, 'expired'::text, 'denied'::text, 'cancelled'::text, 'failed'::text, 'reversed'::text])))
);
CREATE INDEX payment_intent_by_invoice ON public.payment_intent USING btree (invoice_id);
CREATE INDEX payment_intent_by_subscriber ON public.payment_intent USING btree (subscriber_id, id);
CREATE INDEX payment_intent_by_time ON public.payment_intent USING btree (created_at);
CREATE INDEX payment_intent_due ON public.payment_intent USING btree (next_poll_at) WHERE (next_poll_at IS NOT NULL);
CREATE UNIQUE INDEX payment_intent_open ON public.payment_intent USING btree (invoice_id) WHERE ((closed_at IS NULL) AND (invoice_id IS NOT NULL));
CREATE INDEX payment_intent_to_keep ON public.payment_intent USING btree (paid_at) WHERE (save_method AND (state = 'paid'::text));
comment on table payment_intent is 'one attempt to be paid at a gateway; any of them that is paid settles, also one that was closed';
comment on column payment_intent.claimed_until is 'somebody is asking the gateway for its link until then';
comment on column payment_intent.closed_at is 'its link is no longer offered';
comment on column payment_intent.method_id is 'the saved method that is charged, without a link; null = the customer pays by the link';

create table payment_opening (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  intent_id bigint not null,
  opened_at timestamp with time zone not null,
  opened_by text not null,
  constraint payment_opening_pkey PRIMARY KEY (id),
  constraint payment_opening_intent_id_fkey FOREIGN KEY (intent_id) REFERENCES payment_intent(id),
  constraint payment_opening_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
);
CREATE INDEX payment_opening_by_subscriber ON public.payment_opening USING btree (subscriber_id, opened_at);

create table plan (
  id integer generated always as identity not null,
  name text not null,
  created_at timestamp with time zone default now() not null,
  retired_at timestamp with time zone,
  description text default ''::text not null,
  on_portal boolean default true not null,
  "position" integer default 0 not null,
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
  speed_profile_id integer,
  constraint plan_revision_pkey PRIMARY KEY (id),
  constraint plan_revision_plan_id_revision_key UNIQUE (plan_id, revision),
  constraint plan_revision_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES plan(id),
  constraint plan_revision_speed_profile_id_fkey FOREIGN KEY (speed_profile_id) REFERENCES speed_profile(id) ON DELETE SET NULL,
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
  source text,
  base_id integer,
  constraint policy_revision_pkey PRIMARY KEY (id),
  constraint policy_revision_base_id_fkey FOREIGN KEY (base_id) REFERENCES policy_revision(id)
);
CREATE INDEX policy_revision_in_force ON public.policy_revision USING btree (published_at DESC, id DESC) WHERE (published_at IS NOT NULL);
comment on column policy_revision.published_at is 'the revision with the newest published_at is in force';
comment on column policy_revision.source is 'the text as its author wrote it; null for a policy that the program made';
comment on column policy_revision.base_id is 'the newest revision when this one was saved: its author had seen it';

create table policy_rollout (
  id integer generated always as identity not null,
  from_id integer not null,
  to_id integer not null,
  stage text not null,
  share double precision not null,
  salt integer not null,
  canary double precision,
  per_second integer not null,
  watch_seconds integer not null,
  limits jsonb not null,
  started_at timestamp with time zone not null,
  started_by text not null,
  stage_at timestamp with time zone not null,
  steps integer default 0 not null,
  expected_end timestamp with time zone,
  back_below double precision default 0 not null,
  back_to double precision default 0 not null,
  wanted integer default 0 not null,
  told integer default 0 not null,
  naks integer default 0 not null,
  timeouts integer default 0 not null,
  lost integer default 0 not null,
  reason text,
  ended_at timestamp with time zone,
  constraint policy_rollout_pkey PRIMARY KEY (id),
  constraint policy_rollout_from_id_fkey FOREIGN KEY (from_id) REFERENCES policy_revision(id),
  constraint policy_rollout_to_id_fkey FOREIGN KEY (to_id) REFERENCES policy_revision(id),
  constraint policy_rollout_back_below_check CHECK (((back_below >= (0)::double precision) AND (back_below <= (1)::double precision))),
  constraint policy_rollout_canary_check CHECK (((canary > (0)::double precision) AND (canary <= (1)::double precision))),
  constraint policy_rollout_check CHECK (((back_to >= (0)::double precision) AND (back_to <= back_below))),
  constraint policy_rollout_check1 CHECK (((ended_at IS NOT NULL) = (stage = ANY (ARRAY['done'::text, 'stopped'::text, 'rolled-back'::text])))),
  constraint policy_rollout_per_second_check CHECK ((per_second > 0)),
  constraint policy_rollout_salt_check CHECK ((salt >= 0)),
  constraint policy_rollout_share_check CHECK (((share >= (0)::double precision) AND (share <= (1)::double precision))),
  constraint policy_rollout_stage_check CHECK ((stage = ANY (ARRAY['canary'::text, 'spreading'::text, 'done'::text, 'stopped'::text, 'rolling-back'::text, 'rolled-back'::text]))),
  constraint policy_rollout_watch_seconds_check CHECK ((watch_seconds >= 0))
);
CREATE UNIQUE INDEX policy_rollout_active ON public.policy_rollout USING btree (((ended_at IS NULL))) WHERE (ended_at IS NULL);
comment on table policy_rollout is 'one revision taking the place of another; of the active one, a share of all subscribers has the new one';
comment on column policy_rollout.share is 'subscribers whose policy_bucket(id, salt) is below it have the policy of to_id';
comment on column policy_rollout.steps is 'one more with every step: a driver that was paused meanwhile sees that its step is not the next';
comment on column policy_rollout.expected_end is 'by the pace, if nothing gets in its way';
comment on column policy_rollout.back_below is 'taken back: those in buckets below it had the policy; those below back_to are due to be told so by now';

create table policy_rollout_session (
  session_id bigint not null,
  rollout_id integer not null,
  subscriber_id bigint not null,
  session_key text not null,
  reached_at timestamp with time zone not null,
  acts_after bigint not null,
  told_at timestamp with time zone,
  down_at timestamp with time zone,
  nak boolean default false not null,
  timed_out boolean default false not null,
  lost boolean default false not null,
  closed boolean default false not null,
  constraint policy_rollout_session_pkey PRIMARY KEY (session_id),
  constraint policy_rollout_session_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES policy_rollout(id)
) with (fillfactor=70);
CREATE INDEX policy_rollout_session_open ON public.policy_rollout_session USING btree (rollout_id) WHERE (NOT closed);
comment on table policy_rollout_session is 'live sessions that the active rollout has reached, and how they took it; emptied when it ends';
comment on column policy_rollout_session.reached_at is 'when enforcement is to look at it: the pace is in this';
comment on column policy_rollout_session.acts_after is 'the newest enforcement_act when it was reached: what its NAS says to it comes later';

create table portal_account (
  subscriber_id bigint not null,
  pin_sealed bytea not null,
  must_change_pin boolean default true not null,
  failures integer default 0 not null,
  last_failure_at timestamp with time zone,
  issued_at timestamp with time zone default now() not null,
  constraint portal_account_pkey PRIMARY KEY (subscriber_id),
  constraint portal_account_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint portal_account_failures_check CHECK ((failures >= 0))
);
comment on column portal_account.pin_sealed is 'an argon2id hash of the PIN, sealed: a copy of the database alone is not enough to try a million PINs';
comment on column portal_account.failures is 'wrong PINs from devices not known, since the PIN was issued; at 10 only known devices may go on';

create table portal_device (
  token_hash bytea not null,
  subscriber_id bigint not null,
  failures integer default 0 not null,
  created_at timestamp with time zone default now() not null,
  seen_at timestamp with time zone default now() not null,
  constraint portal_device_pkey PRIMARY KEY (token_hash),
  constraint portal_device_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint portal_device_failures_check CHECK ((failures >= 0))
);
CREATE INDEX portal_device_by_subscriber ON public.portal_device USING btree (subscriber_id);

create table prepaid_move (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  moved_at timestamp with time zone not null,
  moved_by text not null,
  revoked_grants bigint[] default '{}'::bigint[] not null,
  undone_at timestamp with time zone,
  undone_by text,
  constraint prepaid_move_pkey PRIMARY KEY (id),
  constraint prepaid_move_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
);
CREATE UNIQUE INDEX prepaid_move_standing ON public.prepaid_move USING btree (subscriber_id) WHERE (undone_at IS NULL);
comment on table prepaid_move is 'each move from postpaid to prepaid, with the grants it ended, so that it can be undone';

create table promo (
  id integer generated always as identity not null,
  code text not null,
  percent integer,
  fixed_rupiah bigint,
  most_uses integer,
  most_uses_each integer default 1 not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  plan_ids integer[] default '{}'::integer[] not null,
  created_at timestamp with time zone not null,
  created_by text not null,
  disabled_at timestamp with time zone,
  constraint promo_pkey PRIMARY KEY (id),
  constraint promo_code_key UNIQUE (code),
  constraint promo_check CHECK ((num_nonnulls(percent, fixed_rupiah) = 1)),
  constraint promo_check1 CHECK ((starts_at < ends_at)),
  constraint promo_code_check CHECK ((code ~ '^[A-Z0-9][A-Z0-9-]{1,30}$'::text)),
  constraint promo_fixed_rupiah_check CHECK ((fixed_rupiah > 0)),
  constraint promo_most_uses_check CHECK ((most_uses > 0)),
  constraint promo_most_uses_each_check CHECK ((most_uses_each > 0)),
  constraint promo_percent_check CHECK (((percent >= 1) AND (percent <= 100)))
);
comment on column promo.plan_ids is 'the plans it is for; empty = all';

create table purchase (
  id bigint generated always as identity not null,
  number text not null,
  subscriber_id bigint not null,
  plan_revision_id integer not null,
  price_rupiah bigint not null,
  begins text default 'after'::text not null,
  ordered_by text not null,
  ordered_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  cancelled_at timestamp with time zone,
  cancelled_by text,
  granted_at timestamp with time zone,
  grant_id bigint,
  replaces bigint[] default '{}'::bigint[] not null,
  ends_at timestamp with time zone,
  list_price bigint,
  constraint purchase_pkey PRIMARY KEY (id),
  constraint purchase_grant_id_key UNIQUE (grant_id),
  constraint purchase_number_key UNIQUE (number),
  constraint purchase_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES grants(id),
  constraint purchase_plan_revision_id_fkey FOREIGN KEY (plan_revision_id) REFERENCES plan_revision(id),
  constraint purchase_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint purchase_begins_check CHECK ((begins = ANY (ARRAY['after'::text, 'now'::text]))),
  constraint purchase_check CHECK ((num_nonnulls(granted_at, grant_id) <> 1)),
  constraint purchase_check1 CHECK (((cancelled_at IS NULL) OR (grant_id IS NULL))),
  constraint purchase_number_check CHECK ((number <> ''::text)),
  constraint purchase_price_rupiah_check CHECK ((price_rupiah >= 0))
);
CREATE INDEX purchase_by_sale ON public.purchase USING btree (granted_at, plan_revision_id) WHERE (granted_at IS NOT NULL);
CREATE INDEX purchase_by_subscriber ON public.purchase USING btree (subscriber_id, id);
CREATE INDEX purchase_by_time ON public.purchase USING btree (ordered_at);
CREATE INDEX purchase_open ON public.purchase USING btree (expires_at) WHERE ((cancelled_at IS NULL) AND (grant_id IS NULL));
comment on table purchase is 'a package a subscriber wants; waiting, expired or done is computed from these acts';
comment on column purchase.begins is 'when the cover in force ends (now, if there is none), or now in any case';
comment on column purchase.replaces is 'the grants that end when this one is settled (a change of package)';
comment on column purchase.ends_at is 'where the grant ends; null = after the period of the plan';

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

create table refund (
  id bigint generated always as identity not null,
  payment_id bigint not null,
  kind text not null,
  amount_rupiah bigint not null,
  at timestamp with time zone not null,
  by text not null,
  reason text default ''::text not null,
  gateway_key text,
  constraint refund_pkey PRIMARY KEY (id),
  constraint refund_gateway_key_key UNIQUE (gateway_key),
  constraint refund_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id),
  constraint refund_amount_rupiah_check CHECK ((amount_rupiah > 0)),
  constraint refund_kind_check CHECK ((kind = ANY (ARRAY['refund'::text, 'reversal'::text, 'chargeback'::text])))
);
CREATE INDEX refund_by_payment ON public.refund USING btree (payment_id);
CREATE INDEX refund_by_time ON public.refund USING btree (at);

create table refund_order (
  id bigint generated always as identity not null,
  payment_id bigint,
  unmatched_id bigint,
  gateway_key text not null,
  amount_rupiah bigint not null,
  back_rupiah bigint not null,
  reason text not null,
  asked_at timestamp with time zone not null,
  asked_by text not null,
  due_at timestamp with time zone not null,
  attempts integer default 0 not null,
  accepted_at timestamp with time zone,
  ended_at timestamp with time zone,
  error text,
  constraint refund_order_pkey PRIMARY KEY (id),
  constraint refund_order_gateway_key_key UNIQUE (gateway_key),
  constraint refund_order_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id),
  constraint refund_order_unmatched_id_fkey FOREIGN KEY (unmatched_id) REFERENCES unmatched_money(id),
  constraint refund_order_amount_rupiah_check CHECK ((amount_rupiah > 0)),
  constraint refund_order_check CHECK ((back_rupiah >= amount_rupiah)),
  constraint refund_order_check1 CHECK ((num_nonnulls(payment_id, unmatched_id) = 1)),
  constraint refund_order_reason_check CHECK ((reason <> ''::text))
);
CREATE INDEX refund_order_by_payment ON public.refund_order USING btree (payment_id);
CREATE INDEX refund_order_due ON public.refund_order USING btree (due_at) WHERE (ended_at IS NULL);
CREATE UNIQUE INDEX refund_order_of_payment ON public.refund_order USING btree (payment_id) WHERE ((ended_at IS NULL) AND (payment_id IS NOT NULL));
CREATE UNIQUE INDEX refund_order_of_unmatched ON public.refund_order USING btree (unmatched_id) WHERE ((ended_at IS NULL) AND (unmatched_id IS NOT NULL));
comment on table refund_order is 'money that a gateway is to give back: asked with the same key until it says yes or no, so that it happens once';
comment on column refund_order.back_rupiah is 'what of the payment is back in all when this is done';

create table rejected_dial (
  id bigint generated always as identity not null,
  username text collate "C" not null,
  subscriber_id bigint,
  nas_id integer not null,
  mac text,
  reason text not null,
  times integer default 1 not null,
  first_at timestamp with time zone not null,
  last_at timestamp with time zone not null,
  constraint rejected_dial_pkey PRIMARY KEY (id)
);
CREATE INDEX rejected_dial_by_subscriber ON public.rejected_dial USING btree (subscriber_id, last_at) WHERE (subscriber_id IS NOT NULL);
CREATE INDEX rejected_dial_by_time ON public.rejected_dial USING btree (last_at);
CREATE INDEX rejected_dial_by_username ON public.rejected_dial USING btree (username, last_at);
comment on table rejected_dial is 'one row for a run of equal rejects within ten minutes';

create table saved_method (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  gateway text not null,
  kind text not null,
  label text not null,
  token_sealed bytea not null,
  expires_at timestamp with time zone,
  saved_at timestamp with time zone not null,
  removed_at timestamp with time zone,
  constraint saved_method_pkey PRIMARY KEY (id),
  constraint saved_method_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint saved_method_gateway_check CHECK ((gateway = ANY (ARRAY['midtrans'::text, 'xendit'::text]))),
  constraint saved_method_kind_check CHECK ((kind = ANY (ARRAY['card'::text, 'e-wallet'::text]))),
  constraint saved_method_label_check CHECK ((label <> ''::text))
);
CREATE INDEX saved_method_by_subscriber ON public.saved_method USING btree (subscriber_id) WHERE (removed_at IS NULL);

create table sealed_setting (
  key text not null,
  value_sealed bytea not null,
  changed_at timestamp with time zone default now() not null,
  changed_by text not null,
  constraint sealed_setting_pkey PRIMARY KEY (key)
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
  end_asked_at timestamp with time zone,
  end_reason text,
  constraint session_pkey PRIMARY KEY (id),
  constraint session_key_key UNIQUE (key),
  constraint session_nas_id_fkey FOREIGN KEY (nas_id) REFERENCES nas(id),
  constraint session_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id)
) with (fillfactor=60);
CREATE INDEX session_by_address ON public.session USING btree (framed_ip) WHERE (ended_at IS NULL);
CREATE INDEX session_by_nas ON public.session USING btree (nas_id, acct_session_id);
CREATE INDEX session_by_subscriber ON public.session USING btree (subscriber_id) WHERE (ended_at IS NULL);
CREATE INDEX session_by_username ON public.session USING btree (username);
comment on column session.key is 'the token we put in Class; for a session without it, one made from NAS, address, id, user name and start';
comment on column session.nas_address is 'where its accounting last came from: of a NAS that is a block, the router that holds the session';
comment on column session.raw_up is 'the counter as last received; up_bytes is what it amounts to after wraps and resets';
comment on column session.day_up is 'bytes of this session on its running day; a new day or the end moves them to usage_daily';
comment on column session.told_at is 'when the NAS acknowledged what it was told; confirmed_at, when later accounting bore it out';
comment on column session.end_asked_at is 'when somebody asked that it be ended, and end_reason why; null again once its NAS acknowledged that';

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

create table setting (
  key text not null,
  value jsonb not null,
  changed_at timestamp with time zone default now() not null,
  changed_by text not null,
  constraint setting_pkey PRIMARY KEY (key)
);

create table speed_profile (
  id integer generated always as identity not null,
  name text not null,
  download_bps bigint not null,
  upload_bps bigint not null,
  burst jsonb,
  profile text,
  created_at timestamp with time zone default now() not null,
  constraint speed_profile_pkey PRIMARY KEY (id),
  constraint speed_profile_name_key UNIQUE (name),
  constraint speed_profile_download_bps_check CHECK ((download_bps > 0)),
  constraint speed_profile_name_check CHECK ((name <> ''::text)),
  constraint speed_profile_profile_check CHECK ((profile <> ''::text)),
  constraint speed_profile_upload_bps_check CHECK ((upload_bps > 0))
);
comment on table speed_profile is 'speeds to choose from when a plan is made; a plan revision keeps its own copy';

create table staff (
  id integer generated always as identity not null,
  username text not null,
  password_hash text not null,
  role text not null,
  must_change_password boolean default true not null,
  created_at timestamp with time zone default now() not null,
  name text default ''::text not null,
  language text default 'id'::text not null,
  disabled_at timestamp with time zone,
  totp_sealed bytea,
  totp_since timestamp with time zone,
  totp_last_step bigint default 0 not null,
  failures integer default 0 not null,
  last_failure_at timestamp with time zone,
  constraint staff_pkey PRIMARY KEY (id),
  constraint staff_username_key UNIQUE (username),
  constraint staff_failures_check CHECK ((failures >= 0)),
  constraint staff_language_check CHECK ((language = ANY (ARRAY['id'::text, 'en'::text]))),
  constraint staff_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'customer-service'::text, 'technician'::text, 'network-engineer'::text]))),
  constraint staff_username_check CHECK ((username <> ''::text))
);
comment on column staff.totp_since is 'when the second factor was confirmed; null with totp_sealed = being set up';
comment on column staff.totp_last_step is 'the newest time step whose code was used: a code counts once';

create table static_address (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  nas_id integer not null,
  address cidr not null,
  removed_at timestamp with time zone,
  wanted_list text,
  told_list text,
  told_at timestamp with time zone,
  seen_list text,
  seen_at timestamp with time zone,
  last_error text,
  constraint static_address_pkey PRIMARY KEY (id),
  constraint static_address_nas_id_fkey FOREIGN KEY (nas_id) REFERENCES nas(id),
  constraint static_address_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint static_address_address_excl EXCLUDE USING gist (address inet_ops WITH &&) WHERE ((removed_at IS NULL))
);
CREATE INDEX static_address_by_nas ON public.static_address USING btree (nas_id);
CREATE INDEX static_address_by_subscriber ON public.static_address USING btree (subscriber_id);
comment on table static_address is 'the addresses of static lines; a removed one stays until its router has dropped the entry';
comment on column static_address.wanted_list is 'what enforcement last decided, for pages and counts; enforcement itself decides afresh each time';
comment on column static_address.told_list is 'the address-list its router acknowledged; null = none of ours. seen_list: what the last full look at the router found';

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
  access text default 'pppoe'::text not null,
  nas_id integer,
  portal_id text,
  address text default ''::text not null,
  notes text default ''::text not null,
  language text default 'id'::text not null,
  search text default lower(((((((((((username || ' '::text) || name) || ' '::text) || COALESCE(phone, ''::text)) || ' '::text) || COALESCE(portal_id, ''::text)) || ' '::text) || COALESCE(mac, ''::text)) || ' '::text) || COALESCE(host(static_ip), ''::text))) not null,
  constraint subscriber_pkey PRIMARY KEY (id),
  constraint subscriber_portal_id_key UNIQUE (portal_id),
  constraint subscriber_static_ip_key UNIQUE (static_ip),
  constraint subscriber_username_key UNIQUE (username),
  constraint subscriber_nas_id_fkey FOREIGN KEY (nas_id) REFERENCES nas(id),
  constraint subscriber_access_check CHECK ((access = ANY (ARRAY['pppoe'::text, 'static'::text]))),
  constraint subscriber_billing_check CHECK ((billing = ANY (ARRAY['prepaid'::text, 'postpaid'::text]))),
  constraint subscriber_language_check CHECK ((language = ANY (ARRAY['id'::text, 'en'::text]))),
  constraint subscriber_mac_check CHECK ((mac ~ '^([0-9A-F]{2}:){5}[0-9A-F]{2}$'::text)),
  constraint subscriber_portal_id_check CHECK ((portal_id ~ '^[1-9][0-9]{7}$'::text)),
  constraint subscriber_session_limit_check CHECK ((session_limit > 0)),
  constraint subscriber_username_check CHECK (((username <> ''::text) AND (length(username) <= 253)))
);
CREATE INDEX subscriber_by_name ON public.subscriber USING btree (lower(name), id) INCLUDE (name, billing, access, suspended_at);
CREATE INDEX subscriber_by_nas ON public.subscriber USING btree (nas_id) WHERE (nas_id IS NOT NULL);
CREATE INDEX subscriber_by_tag ON public.subscriber USING gin (tags);
CREATE INDEX subscriber_prepaid ON public.subscriber USING btree (id) INCLUDE (suspended_at) WHERE (billing = 'prepaid'::text);
CREATE INDEX subscriber_search ON public.subscriber USING gin (search gin_trgm_ops);
comment on column subscriber.version is 'the sequence number of the newest row in change for this subscriber';
comment on column subscriber.nas_id is 'of a static line: the router whose address-lists hold its addresses';
comment on column subscriber.search is 'what the search field of the lists looks in';

create table subscription (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  plan_id integer not null,
  billing_day integer not null,
  next_on date not null,
  grant_id bigint,
  started_at timestamp with time zone not null,
  started_by text not null,
  ended_at timestamp with time zone,
  ended_by text,
  constraint subscription_pkey PRIMARY KEY (id),
  constraint subscription_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES grants(id),
  constraint subscription_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES plan(id),
  constraint subscription_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint subscription_billing_day_check CHECK (((billing_day >= 1) AND (billing_day <= 31)))
);
CREATE INDEX subscription_next ON public.subscription USING btree (next_on) WHERE (ended_at IS NULL);
CREATE UNIQUE INDEX subscription_running ON public.subscription USING btree (subscriber_id) WHERE (ended_at IS NULL);
comment on table subscription is 'the plan a postpaid subscriber is billed for; billing_day is the anchor, kept through short months';
comment on column subscription.next_on is 'the local date on which the next period begins, for which the next invoice is';
comment on column subscription.grant_id is 'what covers the line in the period that runs; null before the first';

create table unmatched_money (
  id bigint generated always as identity not null,
  gateway text not null,
  gateway_ref text not null,
  order_id text not null,
  intent_id bigint,
  amount_rupiah bigint not null,
  reason text not null,
  seen_at timestamp with time zone not null,
  resolved_at timestamp with time zone,
  resolved_by text,
  resolution text,
  constraint unmatched_money_pkey PRIMARY KEY (id),
  constraint unmatched_money_gateway_gateway_ref_key UNIQUE (gateway, gateway_ref),
  constraint unmatched_money_intent_id_fkey FOREIGN KEY (intent_id) REFERENCES payment_intent(id),
  constraint unmatched_money_amount_rupiah_check CHECK ((amount_rupiah > 0)),
  constraint unmatched_money_gateway_check CHECK ((gateway = ANY (ARRAY['midtrans'::text, 'xendit'::text]))),
  constraint unmatched_money_reason_check CHECK ((reason = ANY (ARRAY['unknown-order'::text, 'wrong-amount'::text, 'wrong-currency'::text, 'paid-again'::text])))
);
CREATE INDEX unmatched_money_open ON public.unmatched_money USING btree (id) WHERE (resolved_at IS NULL);

create table usage_daily (
  subscriber_id bigint not null,
  day date not null,
  up_bytes bigint not null,
  down_bytes bigint not null,
  constraint usage_daily_pkey PRIMARY KEY (subscriber_id, day)
) partition by RANGE (day);
CREATE TRIGGER usage_rolled_up_delete AFTER DELETE ON public.usage_daily REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION roll_up_change();
CREATE TRIGGER usage_rolled_up_insert AFTER INSERT ON public.usage_daily REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION roll_up_change();
CREATE TRIGGER usage_rolled_up_update AFTER UPDATE ON public.usage_daily REFERENCING OLD TABLE AS taken NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION roll_up_change();

create table usage_monthly (
  subscriber_id bigint not null,
  month date not null,
  running bigint[] not null,
  constraint usage_monthly_pkey PRIMARY KEY (subscriber_id, month)
) partition by RANGE (month);
comment on table usage_monthly is 'usage_daily rolled up by its triggers, for rankings; partitioned and dropped like it';
comment on column usage_monthly.running is 'bytes both ways from the 1st of the month to the end of its n-th day, for n = 1 … 31';

create table usage_yearly (
  subscriber_id bigint not null,
  year integer not null,
  running bigint[] not null,
  constraint usage_yearly_pkey PRIMARY KEY (subscriber_id, year)
) with (fillfactor=50);
comment on column usage_yearly.running is 'the same from January to the end of its n-th month; months past the retention are taken out again';

create table wallet_link (
  id bigint generated always as identity not null,
  subscriber_id bigint not null,
  gateway text not null,
  state text default 'waiting'::text not null,
  label text,
  account_sealed bytea default '\x'::bytea not null,
  account_digest bytea,
  method_id bigint,
  created_at timestamp with time zone not null,
  created_by text not null,
  next_look_at timestamp with time zone,
  ended_at timestamp with time zone,
  constraint wallet_link_pkey PRIMARY KEY (id),
  constraint wallet_link_method_id_fkey FOREIGN KEY (method_id) REFERENCES saved_method(id),
  constraint wallet_link_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint wallet_link_check CHECK (((next_look_at IS NOT NULL) = (state = ANY (ARRAY['waiting'::text, 'unlinking'::text])))),
  constraint wallet_link_check1 CHECK (((ended_at IS NOT NULL) = (state = 'ended'::text))),
  constraint wallet_link_check2 CHECK (((method_id IS NOT NULL) OR (state <> 'linked'::text))),
  constraint wallet_link_gateway_check CHECK ((gateway = ANY (ARRAY['midtrans'::text, 'xendit'::text]))),
  constraint wallet_link_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'linked'::text, 'unlinking'::text, 'ended'::text])))
);
CREATE UNIQUE INDEX wallet_link_account ON public.wallet_link USING btree (gateway, account_digest) WHERE (state <> 'ended'::text);
CREATE INDEX wallet_link_by_method ON public.wallet_link USING btree (method_id) WHERE (method_id IS NOT NULL);
CREATE INDEX wallet_link_by_subscriber ON public.wallet_link USING btree (subscriber_id, id);
CREATE INDEX wallet_link_due ON public.wallet_link USING btree (next_look_at) WHERE (next_look_at IS NOT NULL);
CREATE UNIQUE INDEX wallet_link_open ON public.wallet_link USING btree (subscriber_id) WHERE (state = 'waiting'::text);
comment on table wallet_link is 'an e-wallet that is linked at a gateway, from when the customer asked until it is unlinked there';
comment on column wallet_link.account_sealed is 'the page where the customer agrees, and by what the gateway knows the wallet';
comment on column wallet_link.account_digest is 'SHA-256 of the latter: a wallet is linked for one subscriber at a time';

create table web_session (
  token_hash bytea not null,
  staff_id integer,
  subscriber_id bigint,
  step text default 'full'::text not null,
  address inet,
  user_agent text default ''::text not null,
  created_at timestamp with time zone default now() not null,
  seen_at timestamp with time zone default now() not null,
  expires_at timestamp with time zone not null,
  constraint web_session_pkey PRIMARY KEY (token_hash),
  constraint web_session_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff(id),
  constraint web_session_subscriber_id_fkey FOREIGN KEY (subscriber_id) REFERENCES subscriber(id),
  constraint web_session_check CHECK ((num_nonnulls(staff_id, subscriber_id) = 1)),
  constraint web_session_step_check CHECK ((step = ANY (ARRAY['password'::text, 'totp'::text, 'full'::text])))
);
CREATE INDEX web_session_by_expiry ON public.web_session USING btree (expires_at);
CREATE INDEX web_session_by_staff ON public.web_session USING btree (staff_id) WHERE (staff_id IS NOT NULL);
CREATE INDEX web_session_by_subscriber ON public.web_session USING btree (subscriber_id) WHERE (subscriber_id IS NOT NULL);
comment on column web_session.step is 'how far the login came: the password is still to be changed, the second factor is still to be given, or all is done';

create table whatsapp_auth (
  kind text not null,
  id text not null,
  value_sealed bytea not null,
  constraint whatsapp_auth_pkey PRIMARY KEY (kind, id)
);

create table whatsapp_contact (
  phone text not null,
  registered boolean,
  checked_at timestamp with time zone,
  first_wrote_at timestamp with time zone,
  last_wrote_at timestamp with time zone,
  constraint whatsapp_contact_pkey PRIMARY KEY (phone)
);
comment on table whatsapp_contact is 'who is on WhatsApp as far as we asked, and who wrote to us first: only those surely get what we send';

CREATE OR REPLACE FUNCTION public.add_sums(one bigint[], other bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
begin
  for i in 1 .. cardinality(one) loop one[i] := one[i] + other[i]; end loop;
  return one;
end $function$;

CREATE OR REPLACE FUNCTION public.cover_anew(ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  -- Whoever else changes their grants is waited for, and its rows are seen below.
  perform from subscriber where id = any(ids) order by id for no key update;
  delete from cover where subscriber_id = any(ids);
  insert into cover (subscriber_id, starts_at, ends_at, last)
  select subscriber_id, lower(span), upper(span), upper(span) = max(upper(span)) over (partition by subscriber_id)
    from (select subscriber_id, unnest(range_agg(tstzrange(starts_at, least(ends_at, revoked_at)))) as span from grants
           where subscriber_id = any(ids) and starts_at < least(ends_at, revoked_at) group by subscriber_id) spans;
end $function$;

CREATE OR REPLACE FUNCTION public.gin_extract_query_trgm(text, internal, smallint, internal, internal, internal, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_extract_query_trgm$function$;

CREATE OR REPLACE FUNCTION public.gin_extract_value_trgm(text, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_extract_value_trgm$function$;

CREATE OR REPLACE FUNCTION public.gin_trgm_consistent(internal, smallint, text, integer, internal, internal, internal, internal)
 RETURNS boolean
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_trgm_consistent$function$;

CREATE OR REPLACE FUNCTION public.gin_trgm_triconsistent(internal, smallint, text, integer, internal, internal, internal)
 RETURNS "char"
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gin_trgm_triconsistent$function$;

CREATE OR REPLACE FUNCTION public.grants_allowance()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  select allowance_bytes into new.allowance_bytes from plan_revision where id = new.plan_revision_id;
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.grants_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_level = 'ROW' then
    perform cover_anew(array[new.subscriber_id]);
  else
    perform cover_anew(array(select distinct subscriber_id from changed));
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.gtrgm_compress(internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_compress$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_consistent(internal, text, smallint, oid, internal)
 RETURNS boolean
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_consistent$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_decompress(internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_decompress$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_distance(internal, text, smallint, oid, internal)
 RETURNS double precision
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_distance$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_in(cstring)
 RETURNS gtrgm
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_in$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_options(internal)
 RETURNS void
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE
AS '$libdir/pg_trgm', $function$gtrgm_options$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_out(gtrgm)
 RETURNS cstring
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_out$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_penalty(internal, internal, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_penalty$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_picksplit(internal, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_picksplit$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_same(gtrgm, gtrgm, internal)
 RETURNS internal
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_same$function$;

CREATE OR REPLACE FUNCTION public.gtrgm_union(internal, internal)
 RETURNS gtrgm
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$gtrgm_union$function$;

CREATE OR REPLACE FUNCTION public.ledger_balances()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if (select sum(amount_rupiah) from ledger_entry where transaction_id = new.transaction_id) <> 0 then
    raise exception 'ledger transaction % does not sum to zero', new.transaction_id using errcode = 'check_violation';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.ledger_closed_day()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if exists (select from added join ledger_transaction t on t.id = added.transaction_id where t.day <= (select max(day) from ledger_day)) then
    raise exception 'a closed day of the ledger gets no more entries' using errcode = 'restrict_violation';
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.ledger_is_append_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'the ledger is only added to: % of % is refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $function$;

CREATE OR REPLACE FUNCTION public.ledger_open_day()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.day := greatest(new.day, (select max(day) + 1 from ledger_day));
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.policy_bucket(id bigint, salt integer)
 RETURNS double precision
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
declare mixed bigint := ((id & 2147483647) # (id >> 31) # salt) & 2147483647;
begin
  mixed := ((mixed # (mixed >> 16)) * 73244475) & 2147483647;
  mixed := ((mixed # (mixed >> 15)) * 739982445) & 2147483647;
  return (mixed # (mixed >> 16)) / 2147483648.0::double precision;
end $function$;

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin raise exception '% is append-only', tg_table_name; end $function$;

CREATE OR REPLACE FUNCTION public.roll_up_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op = 'INSERT' then
    perform roll_up_usage(array_agg(subscriber_id), array_agg(day), array_agg(up_bytes + down_bytes)) from added;
  elsif tg_op = 'UPDATE' then
    perform roll_up_usage(array_agg(subscriber_id), array_agg(day), array_agg(bytes)) from (
      select subscriber_id, day, up_bytes + down_bytes as bytes from added
      union all select subscriber_id, day, -(up_bytes + down_bytes) from taken) changed;
  else
    perform roll_up_usage(array_agg(subscriber_id), array_agg(day), array_agg(-(up_bytes + down_bytes))) from taken;
  end if;
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.roll_up_usage(ids bigint[], days date[], amounts bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into usage_monthly as m (subscriber_id, month, running)
  select id, day - place + 1, running_sums(array_agg(place), array_agg(amount), 31)
    from unnest(ids, days, amounts) u (id, day, amount), lateral (select extract(day from day)::int) p (place)
   group by 1, 2 order by 1, 2
  on conflict (subscriber_id, month) do update set running = add_sums(m.running, excluded.running);
  insert into usage_yearly as y (subscriber_id, year, running)
  select id, extract(year from day)::int, running_sums(array_agg(extract(month from day)::int), array_agg(amount), 12)
    from unnest(ids, days, amounts) u (id, day, amount)
   group by 1, 2 order by 1, 2
  on conflict (subscriber_id, year) do update set running = add_sums(y.running, excluded.running);
end $function$;

CREATE OR REPLACE FUNCTION public.running_sums(places integer[], amounts bigint[], length integer)
 RETURNS bigint[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
declare sums bigint[] := array_fill(0::bigint, array[length]);
begin
  for i in 1 .. cardinality(places) loop sums[places[i]] := sums[places[i]] + amounts[i]; end loop;
  for i in 2 .. length loop sums[i] := sums[i] + sums[i - 1]; end loop;
  return sums;
end $function$;

CREATE OR REPLACE FUNCTION public.set_limit(real)
 RETURNS real
 LANGUAGE c
 STRICT
AS '$libdir/pg_trgm', $function$set_limit$function$;

CREATE OR REPLACE FUNCTION public.show_limit()
 RETURNS real
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$show_limit$function$;

CREATE OR REPLACE FUNCTION public.show_trgm(text)
 RETURNS text[]
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$show_trgm$function$;

CREATE OR REPLACE FUNCTION public.similarity(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$similarity$function$;

CREATE OR REPLACE FUNCTION public.similarity_dist(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$similarity_dist$function$;

CREATE OR REPLACE FUNCTION public.similarity_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$similarity_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_commutator_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_dist_commutator_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_dist_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_dist_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_dist_op$function$;

CREATE OR REPLACE FUNCTION public.strict_word_similarity_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$strict_word_similarity_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_commutator_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_dist_commutator_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_dist_commutator_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_dist_op(text, text)
 RETURNS real
 LANGUAGE c
 IMMUTABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_dist_op$function$;

CREATE OR REPLACE FUNCTION public.word_similarity_op(text, text)
 RETURNS boolean
 LANGUAGE c
 STABLE PARALLEL SAFE STRICT
AS '$libdir/pg_trgm', $function$word_similarity_op$function$;
