import { Migration } from '@mikro-orm/migrations';

/** Policies that people edit: the text of each revision and what it was edited from, and how one takes the place of another. */
export class PolicyRollouts extends Migration {
  override name = '006-policy';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
alter table policy_revision
  add column source text,
  add column base_id int references policy_revision;
comment on column policy_revision.source is 'the text as its author wrote it; null for a policy that the program made';
comment on column policy_revision.base_id is 'the newest revision when this one was saved: its author had seen it';
create index policy_revision_in_force on policy_revision (published_at desc, id desc) where published_at is not null;

create table policy_rollout (
  id            int generated always as identity primary key,
  from_id       int not null references policy_revision,
  to_id         int not null references policy_revision,
  stage         text not null check (stage in ('canary', 'spreading', 'done', 'stopped', 'rolling-back', 'rolled-back')),
  share         double precision not null check (share between 0 and 1),
  salt          int not null check (salt >= 0),
  canary        double precision check (canary > 0 and canary <= 1),
  per_second    int not null check (per_second > 0),
  watch_seconds int not null check (watch_seconds >= 0),
  limits        jsonb not null,
  started_at    timestamptz not null,
  started_by    text not null,
  stage_at      timestamptz not null,
  steps         int not null default 0,
  expected_end  timestamptz,
  back_below    double precision not null default 0 check (back_below between 0 and 1),
  back_to       double precision not null default 0 check (back_to between 0 and back_below),
  wanted        int not null default 0,
  told          int not null default 0,
  naks          int not null default 0,
  timeouts      int not null default 0,
  lost          int not null default 0,
  reason        text,
  ended_at      timestamptz,
  check ((ended_at is not null) = (stage in ('done', 'stopped', 'rolled-back')))
);
create unique index policy_rollout_active on policy_rollout ((ended_at is null)) where ended_at is null;
comment on table policy_rollout is 'one revision taking the place of another; of the active one, a share of all subscribers has the new one';
comment on column policy_rollout.share is 'subscribers whose policy_bucket(id, salt) is below it have the policy of to_id';
comment on column policy_rollout.back_below is 'taken back: those in buckets below it had the policy; those below back_to are due to be told so by now';
comment on column policy_rollout.steps is 'one more with every step: a driver that was paused meanwhile sees that its step is not the next';
comment on column policy_rollout.expected_end is 'by the pace, if nothing gets in its way';

create table policy_rollout_session (
  session_id    bigint primary key,
  rollout_id    int not null references policy_rollout,
  subscriber_id bigint not null,
  session_key   text not null,
  reached_at    timestamptz not null,
  acts_after    bigint not null,
  told_at       timestamptz,
  down_at       timestamptz,
  nak           boolean not null default false,
  timed_out     boolean not null default false,
  lost          boolean not null default false,
  closed        boolean not null default false
) with (fillfactor = 70);
create index policy_rollout_session_open on policy_rollout_session (rollout_id) where not closed;
comment on table policy_rollout_session is 'live sessions that the active rollout has reached, and how they took it; emptied when it ends';
comment on column policy_rollout_session.reached_at is 'when enforcement is to look at it: the pace is in this';
comment on column policy_rollout_session.acts_after is 'the newest enforcement_act when it was reached: what its NAS says to it comes later';

-- From here on a claim that stands in a row was never settled.
update due set claim = null;
comment on column due.claim is 'the number its holder gave it, null once that has settled; whoever makes the row due sets claimed_until to null and so takes the claim away';

create function policy_bucket(id bigint, salt int) returns double precision
language plpgsql immutable strict parallel safe as $$
declare mixed bigint := ((id & 2147483647) # (id >> 31) # salt) & 2147483647;
begin
  mixed := ((mixed # (mixed >> 16)) * 73244475) & 2147483647;
  mixed := ((mixed # (mixed >> 15)) * 739982445) & 2147483647;
  return (mixed # (mixed >> 16)) / 2147483648.0::double precision;
end $$;
comment on function policy_bucket is 'bucketOf of domain/rollout.ts: which share of a rollout a subscriber is in';
`;
