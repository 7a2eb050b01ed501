import { Migration } from '@mikro-orm/migrations';

/** E-wallets that customers link at a gateway. */
export class EWallets extends Migration {
  override name = '005-e-wallets';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
create table wallet_link (
  id             bigint generated always as identity primary key,
  subscriber_id  bigint not null references subscriber,
  gateway        text not null check (gateway in ('midtrans', 'xendit')),
  state          text not null default 'waiting' check (state in ('waiting', 'linked', 'unlinking', 'ended')),
  label          text,
  account_sealed bytea not null default '',
  account_digest bytea,
  method_id      bigint references saved_method,
  created_at     timestamptz not null,
  created_by     text not null,
  next_look_at   timestamptz,
  ended_at       timestamptz,
  check ((next_look_at is not null) = (state in ('waiting', 'unlinking'))),
  check ((ended_at is not null) = (state = 'ended')),
  check ((method_id is not null) or state <> 'linked')
);
create unique index wallet_link_open on wallet_link (subscriber_id) where state = 'waiting';
create unique index wallet_link_account on wallet_link (gateway, account_digest) where state <> 'ended';
create index wallet_link_by_subscriber on wallet_link (subscriber_id, id);
create index wallet_link_by_method on wallet_link (method_id) where method_id is not null;
create index wallet_link_due on wallet_link (next_look_at) where next_look_at is not null;
comment on table wallet_link is 'an e-wallet that is linked at a gateway, from when the customer asked until it is unlinked there';
comment on column wallet_link.account_sealed is 'the page where the customer agrees, and by what the gateway knows the wallet';
comment on column wallet_link.account_digest is 'SHA-256 of the latter: a wallet is linked for one subscriber at a time';
`;
