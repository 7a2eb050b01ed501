import { Migration } from '@mikro-orm/migrations';

/** Money: invoices, the ledger, payments by gateways and their inbox, what is paid again and again, and the ONT. */
export class Money extends Migration {
  override name = '004-money';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
create table number_counter (
  series text not null,
  year   int not null,
  last   int not null check (last > 0),
  primary key (series, year)
);
comment on table number_counter is 'the number given last in a series of a year; its row is locked until what has the number is committed, so that none is skipped';

create table subscription (
  id            bigint generated always as identity primary key,
  subscriber_id bigint not null references subscriber,
  plan_id       int not null references plan,
  billing_day   int not null check (billing_day between 1 and 31),
  next_on       date not null,
  grant_id      bigint references grants,
  started_at    timestamptz not null,
  started_by    text not null,
  ended_at      timestamptz,
  ended_by      text
);
create unique index subscription_running on subscription (subscriber_id) where ended_at is null;
create index subscription_next on subscription (next_on) where ended_at is null;
comment on table subscription is 'the plan a postpaid subscriber is billed for; billing_day is the anchor, kept through short months';
comment on column subscription.next_on is 'the local date on which the next period begins, for which the next invoice is';
comment on column subscription.grant_id is 'what covers the line in the period that runs; null before the first';

alter table purchase
  add column replaces   bigint[] not null default '{}',
  add column ends_at    timestamptz,
  add column list_price bigint;
comment on column purchase.replaces is 'the grants that end when this one is settled (a change of package)';
comment on column purchase.ends_at is 'where the grant ends; null = after the period of the plan';

create table promo (
  id                 int generated always as identity primary key,
  code               text not null unique check (code ~ '^[A-Z0-9][A-Z0-9-]{1,30}$'),
  percent            int check (percent between 1 and 100),
  fixed_rupiah       bigint check (fixed_rupiah > 0),
  most_uses          int check (most_uses > 0),
  most_uses_each     int not null default 1 check (most_uses_each > 0),
  starts_at          timestamptz not null,
  ends_at            timestamptz not null,
  plan_ids           int[] not null default '{}',
  created_at         timestamptz not null,
  created_by         text not null,
  disabled_at        timestamptz,
  check (num_nonnulls(percent, fixed_rupiah) = 1),
  check (starts_at < ends_at)
);
comment on column promo.plan_ids is 'the plans it is for; empty = all';

create table invoice (
  id               bigint generated always as identity primary key,
  public_id        text not null unique check (public_id ~ '^inv_[0-9A-Za-z]{20}$'),
  number           text not null unique check (number <> ''),
  subscriber_id    bigint not null references subscriber,
  kind             text not null check (kind in ('package', 'period', 'other')),
  purchase_id      bigint unique references purchase,
  subscription_id  bigint references subscription,
  promo_id         int references promo,
  issued_at        timestamptz not null,
  issued_by        text not null,
  due_on           date not null,
  due_at           timestamptz not null,
  service_from     timestamptz,
  service_until    timestamptz,
  tax_permille     int not null default 0 check (tax_permille between 0 and 1000),
  tax_rupiah       bigint not null default 0 check (tax_rupiah >= 0),
  total_rupiah     bigint not null check (total_rupiah >= 0),
  credited_rupiah  bigint not null default 0 check (credited_rupiah between 0 and total_rupiah),
  settled_at       timestamptz,
  settlements      int not null default 0,
  voided_at        timestamptz,
  voided_by        text,
  recognised_rupiah bigint not null default 0,
  check (service_from is null or service_from < service_until),
  check (settled_at is null or voided_at is null),
  check ((kind = 'package') = (purchase_id is not null)),
  check (kind <> 'period' or subscription_id is not null)
);
create unique index invoice_period on invoice (subscription_id, service_from) where kind = 'period' and voided_at is null;
create index invoice_by_subscriber on invoice (subscriber_id, id);
create index invoice_by_time on invoice (issued_at, id);
create index invoice_open on invoice (due_at) where settled_at is null and voided_at is null;
create index invoice_owed on invoice (subscriber_id, due_at) where settled_at is null and voided_at is null and kind = 'period';
create index invoice_to_recognise on invoice (id) where settled_at is not null and recognised_rupiah < total_rupiah - tax_rupiah;
comment on column invoice.due_at is 'the end of the local day due_on: overdue from then on';
comment on column invoice.credited_rupiah is 'by credit notes; what is owed is total_rupiah less this';
comment on column invoice.settlements is 'how often it was settled: a payment that is taken back makes it owed again';
comment on column invoice.recognised_rupiah is 'of the total without tax, what is revenue by now, for the service that was given';

create table invoice_line (
  invoice_id       bigint not null references invoice,
  position         smallint not null check (position > 0),
  kind             text not null check (kind in ('plan', 'proration', 'discount', 'tax', 'other')),
  description      text not null check (description <> ''),
  plan_revision_id int references plan_revision,
  amount_rupiah    bigint not null,
  primary key (invoice_id, position)
);

create table credit_note (
  id            bigint generated always as identity primary key,
  number        text not null unique check (number <> ''),
  invoice_id    bigint not null references invoice,
  amount_rupiah bigint not null check (amount_rupiah > 0),
  reason        text not null check (reason <> ''),
  issued_at     timestamptz not null,
  issued_by     text not null
);
create index credit_note_by_invoice on credit_note (invoice_id);

create table payment_intent (
  id             bigint generated always as identity primary key,
  order_id       text not null unique check (order_id ~ '^[A-Za-z0-9._~-]{1,50}$'),
  gateway        text not null check (gateway in ('midtrans', 'xendit')),
  subscriber_id  bigint not null references subscriber,
  invoice_id     bigint references invoice,
  amount_rupiah  bigint not null check (amount_rupiah > 0),
  state          text not null default 'created'
                 check (state in ('created', 'pending', 'review', 'paid', 'expired', 'denied', 'cancelled', 'failed', 'reversed')),
  created_at     timestamptz not null,
  created_by     text not null,
  claimed_until  timestamptz,
  gateway_id     text,
  link_sealed    bytea,
  expires_at     timestamptz,
  paid_at        timestamptz,
  closed_at      timestamptz,
  save_method    boolean not null default false,
  polls          int not null default 0,
  next_poll_at   timestamptz,
  last_asked_at  timestamptz,
  last_answer    text
);
create unique index payment_intent_open on payment_intent (invoice_id) where closed_at is null and invoice_id is not null;
create index payment_intent_by_invoice on payment_intent (invoice_id);
create index payment_intent_by_subscriber on payment_intent (subscriber_id, id);
create index payment_intent_due on payment_intent (next_poll_at) where next_poll_at is not null;
create index payment_intent_by_time on payment_intent (created_at);
comment on table payment_intent is 'one attempt to be paid at a gateway; any of them that is paid settles, also one that was closed';
comment on column payment_intent.claimed_until is 'somebody is asking the gateway for its link until then';
comment on column payment_intent.closed_at is 'its link is no longer offered';

alter table payment
  alter column purchase_id drop not null,
  add column invoice_id  bigint references invoice,
  add column intent_id   bigint references payment_intent,
  add column gateway     text check (gateway in ('midtrans', 'xendit')),
  add column gateway_ref text,
  add column receipt_number text unique,
  add column once_key text unique,
  add check ((gateway is null) = (gateway_ref is null)),
  add unique (gateway, gateway_ref);
create index payment_by_invoice on payment (invoice_id) where invoice_id is not null;
comment on column payment.receipt_number is 'given when its receipt is first asked for, without gaps';
comment on column payment.gateway_ref is 'the gateway''s own number of the payment: it counts once';
comment on column payment.once_key is 'of the form that told of money by hand: sent twice, it counts once';

create table refund (
  id            bigint generated always as identity primary key,
  payment_id    bigint not null references payment,
  kind          text not null check (kind in ('refund', 'reversal', 'chargeback')),
  amount_rupiah bigint not null check (amount_rupiah > 0),
  at            timestamptz not null,
  by            text not null,
  reason        text not null default '',
  gateway_key   text unique
);
create index refund_by_payment on refund (payment_id);
create index refund_by_time on refund (at);

create table gateway_event (
  id             bigint generated always as identity primary key,
  gateway        text not null check (gateway in ('midtrans', 'xendit')),
  received_at    timestamptz not null,
  source         inet,
  raw_sealed     bytea not null,
  digest         bytea not null,
  order_id       text,
  status         text,
  due_at         timestamptz not null,
  attempts       int not null default 0,
  claimed_until  timestamptz,
  worked_at      timestamptz,
  outcome        text,
  error          text,
  unique (gateway, digest)
);
create index gateway_event_due on gateway_event (due_at) where worked_at is null;
create index gateway_event_by_order on gateway_event (order_id);
create index gateway_event_by_time on gateway_event (received_at);
comment on table gateway_event is 'the payment inbox: what gateways said, octet for octet, before anything was done about it';

create table unmatched_money (
  id            bigint generated always as identity primary key,
  gateway       text not null check (gateway in ('midtrans', 'xendit')),
  gateway_ref   text not null,
  order_id      text not null,
  intent_id     bigint references payment_intent,
  amount_rupiah bigint not null check (amount_rupiah > 0),
  reason        text not null check (reason in ('unknown-order', 'wrong-amount', 'wrong-currency', 'paid-again')),
  seen_at       timestamptz not null,
  resolved_at   timestamptz,
  resolved_by   text,
  resolution    text,
  unique (gateway, gateway_ref)
);
create index unmatched_money_open on unmatched_money (id) where resolved_at is null;

create table refund_order (
  id            bigint generated always as identity primary key,
  payment_id    bigint references payment,
  unmatched_id  bigint references unmatched_money,
  gateway_key   text not null unique,
  amount_rupiah bigint not null check (amount_rupiah > 0),
  back_rupiah   bigint not null check (back_rupiah >= amount_rupiah),
  reason        text not null check (reason <> ''),
  asked_at      timestamptz not null,
  asked_by      text not null,
  due_at        timestamptz not null,
  attempts      int not null default 0,
  accepted_at   timestamptz,
  ended_at      timestamptz,
  error         text,
  check (num_nonnulls(payment_id, unmatched_id) = 1)
);
create unique index refund_order_of_payment on refund_order (payment_id) where ended_at is null and payment_id is not null;
create unique index refund_order_of_unmatched on refund_order (unmatched_id) where ended_at is null and unmatched_id is not null;
create index refund_order_by_payment on refund_order (payment_id);
create index refund_order_due on refund_order (due_at) where ended_at is null;
comment on table refund_order is 'money that a gateway is to give back: asked with the same key until it says yes or no, so that it happens once';
comment on column refund_order.back_rupiah is 'what of the payment is back in all when this is done';

create table ledger_transaction (
  id            bigint generated always as identity primary key,
  day           date not null,
  at            timestamptz not null,
  kind          text not null check (kind <> ''),
  reference     text not null unique check (reference <> ''),
  subscriber_id bigint,
  detail        jsonb not null default '{}'
);
create index ledger_transaction_by_day on ledger_transaction (day, id);
create index ledger_transaction_by_subscriber on ledger_transaction (subscriber_id, id) where subscriber_id is not null;

create table ledger_entry (
  transaction_id bigint not null references ledger_transaction,
  position       smallint not null check (position > 0),
  account        text not null check (account <> ''),
  subscriber_id  bigint,
  amount_rupiah  bigint not null check (amount_rupiah <> 0),
  primary key (transaction_id, position),
  check ((account = 'customer-credit') = (subscriber_id is not null))
);
create index ledger_entry_of_customer on ledger_entry (subscriber_id) include (amount_rupiah) where subscriber_id is not null;
create index ledger_entry_by_account on ledger_entry (account, transaction_id);
comment on column ledger_entry.amount_rupiah is 'debit above zero, credit below';

create table ledger_day (
  day           date primary key,
  transactions  int not null,
  previous_hash bytea not null,
  hash          bytea not null,
  closed_at     timestamptz not null
);
comment on table ledger_day is 'each closed day sealed by SHA-256 over the day before and all its transactions: nothing can be slipped in or taken out unseen';

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is only added to: % of % is refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger append_only before update or delete or truncate on ledger_transaction for each statement execute function ledger_is_append_only();
create trigger append_only before update or delete or truncate on ledger_entry for each statement execute function ledger_is_append_only();
create trigger append_only before update or delete or truncate on ledger_day for each statement execute function ledger_is_append_only();

create function ledger_balances() returns trigger language plpgsql as $$
begin
  if (select sum(amount_rupiah) from ledger_entry where transaction_id = new.transaction_id) <> 0 then
    raise exception 'ledger transaction % does not sum to zero', new.transaction_id using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger balances after insert on ledger_entry deferrable initially deferred
  for each row execute function ledger_balances();

create function ledger_open_day() returns trigger language plpgsql as $$
begin
  new.day := greatest(new.day, (select max(day) + 1 from ledger_day));
  return new;
end $$;
create trigger open_day before insert on ledger_transaction for each row execute function ledger_open_day();
comment on function ledger_open_day is 'a closed day gets no more: what is booked later is of the next day';

create function ledger_closed_day() returns trigger language plpgsql as $$
begin
  if exists (select from added join ledger_transaction t on t.id = added.transaction_id where t.day <= (select max(day) from ledger_day)) then
    raise exception 'a closed day of the ledger gets no more entries' using errcode = 'restrict_violation';
  end if;
  return null;
end $$;
create trigger closed_day after insert on ledger_entry referencing new table as added
  for each statement execute function ledger_closed_day();

create table saved_method (
  id            bigint generated always as identity primary key,
  subscriber_id bigint not null references subscriber,
  gateway       text not null check (gateway in ('midtrans', 'xendit')),
  kind          text not null check (kind in ('card', 'e-wallet')),
  label         text not null check (label <> ''),
  token_sealed  bytea not null,
  expires_at    timestamptz,
  saved_at      timestamptz not null,
  removed_at    timestamptz
);
create index saved_method_by_subscriber on saved_method (subscriber_id) where removed_at is null;

alter table payment_intent add column method_id bigint references saved_method;
create index payment_intent_to_keep on payment_intent (paid_at) where save_method and state = 'paid';
comment on column payment_intent.method_id is 'the saved method that is charged, without a link; null = the customer pays by the link';

create table auto_pay (
  subscriber_id bigint primary key references subscriber,
  method_id     bigint references saved_method,
  plan_id       int references plan,
  begun_at      timestamptz not null,
  begun_by      text not null,
  working_on    text,
  told_rupiah   bigint,
  told_at       timestamptz,
  invoice_id    bigint references invoice,
  order_id      text,
  failures      int not null default 0,
  next_try_at   timestamptz not null,
  last_error    text,
  paused_at     timestamptz
);
create index auto_pay_due on auto_pay (next_try_at) where paused_at is null;
comment on column auto_pay.method_id is 'what is charged; null = from the balance';
comment on column auto_pay.plan_id is 'the package to renew; null = the one that runs out';
comment on column auto_pay.working_on is 'what is to be paid next: the cover that ends, or an invoice; told and tried counts are of it';
comment on column auto_pay.order_id is 'a charge was begun whose outcome is not known yet; it is asked about, never begun again under another id';
comment on column auto_pay.next_try_at is 'when to look at it again';

create table payment_opening (
  id            bigint generated always as identity primary key,
  subscriber_id bigint not null references subscriber,
  intent_id     bigint not null references payment_intent,
  opened_at     timestamptz not null,
  opened_by     text not null
);
create index payment_opening_by_subscriber on payment_opening (subscriber_id, opened_at);

alter table nas add column script_garden text[];
comment on column nas.script_garden is 'what the walled garden of the script made last holds; null = none was made since there are gateways';

create table acs_device (
  subscriber_id bigint primary key references subscriber,
  device_id     text,
  others        int not null default 0,
  reading       jsonb,
  read_at       timestamptz,
  asked_at      timestamptz not null,
  error         text
);
comment on column acs_device.others is 'further devices with the same PPPoE user name: a conflict for staff to see';

create table acs_task (
  id            bigint generated always as identity primary key,
  subscriber_id bigint not null references subscriber,
  device_id     text not null,
  kind          text not null check (kind in ('wifi', 'reboot', 'refresh')),
  body_sealed   bytea not null,
  state         text not null default 'queued' check (state in ('queued', 'sent', 'done', 'waiting', 'failed')),
  acs_id        text,
  created_at    timestamptz not null,
  created_by    text not null,
  due_at        timestamptz not null,
  claimed_until timestamptz,
  attempts      int not null default 0,
  ended_at      timestamptz,
  error         text
);
create index acs_task_due on acs_task (due_at) where ended_at is null;
create index acs_task_by_subscriber on acs_task (subscriber_id, id);
`;
