import { Migration } from '@mikro-orm/migrations';

/** Usage rolled up as running sums, so that everybody's usage of a period is a difference or two and not a sum of days. */
export class Usage extends Migration {
  override name = '003-usage';

  override up(): void {
    this.addSql(sql);
  }
}

const sql = `
create table usage_monthly (
  subscriber_id bigint not null,
  month         date not null,
  running       bigint[] not null,
  primary key (subscriber_id, month)
) partition by range (month);
comment on table usage_monthly is 'usage_daily rolled up by its triggers, for rankings; partitioned and dropped like it';
comment on column usage_monthly.running is 'bytes both ways from the 1st of the month to the end of its n-th day, for n = 1 … 31';

create table usage_yearly (
  subscriber_id bigint not null,
  year          int not null,
  running       bigint[] not null,
  primary key (subscriber_id, year)
) with (fillfactor = 50);
comment on column usage_yearly.running is 'the same from January to the end of its n-th month; months past the retention are taken out again';

create function running_sums(places int[], amounts bigint[], length int) returns bigint[] language plpgsql immutable as $$
declare sums bigint[] := array_fill(0::bigint, array[length]);
begin
  for i in 1 .. cardinality(places) loop sums[places[i]] := sums[places[i]] + amounts[i]; end loop;
  for i in 2 .. length loop sums[i] := sums[i] + sums[i - 1]; end loop;
  return sums;
end $$;

create function add_sums(one bigint[], other bigint[]) returns bigint[] language plpgsql immutable as $$
begin
  for i in 1 .. cardinality(one) loop one[i] := one[i] + other[i]; end loop;
  return one;
end $$;

create function roll_up_usage(ids bigint[], days date[], amounts bigint[]) returns void language plpgsql as $$
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
end $$;

create function roll_up_change() returns trigger language plpgsql as $$
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
end $$;
create trigger usage_rolled_up_insert after insert on usage_daily referencing new table as added
  for each statement execute function roll_up_change();
create trigger usage_rolled_up_update after update on usage_daily referencing old table as taken new table as added
  for each statement execute function roll_up_change();
create trigger usage_rolled_up_delete after delete on usage_daily referencing old table as taken
  for each statement execute function roll_up_change();

do $$
declare part record;
begin
  for part in select c.oid, c.relname, pg_get_expr(c.relpartbound, c.oid) as bounds
                from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'usage_daily'::regclass loop
    execute format('create table %I partition of usage_monthly %s with (fillfactor = 50)',
                   replace(part.relname, 'usage_daily', 'usage_monthly'), part.bounds);
    execute format('select roll_up_usage(array_agg(subscriber_id), array_agg(day), array_agg(up_bytes + down_bytes)) from %I',
                   part.relname);
  end loop;
end $$;
`;
