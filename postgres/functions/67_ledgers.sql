-- What is kept of challenges and campaigns, and for how long. As in 65_forget.sql: each function forgets one kind, the oldest
-- first, at most so many rows and none that is locked, and returns how many. Counts of failures, and who must use SMS, are no
-- ledger: they stay with the member.

-- The first UUIDv7 of a moment: the ids of challenges are in the order of time, so their own index tells their age.
create or replace function uuid_floor(at timestamptz) returns uuid
  language sql immutable
as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Where the codes of closed challenges went.
create or replace function forget_destinations(before timestamptz, most int) returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  update challenges set destination = null, sms_prefix = null, mobile_carrier = null
  where ctid = any(array(
    select ctid from challenges where destination is not null and outcome is not null and admitted_at < before
    order by admitted_at limit most for update skip locked));
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- Closed challenges, with their attempts. By id and time, since the id of a challenge that Temporal's clients started is
-- theirs to choose.
create or replace function forget_challenges(before timestamptz, most int) returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  delete from challenges
  where ctid = any(array(
    select ctid from challenges
    where challenge_id < uuid_floor(before) and admitted_at < before and outcome is not null
    order by challenge_id limit most for update skip locked));
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- Those whose id is a day later than they are: few, which the index challenges_with_later_id finds by the same expression.
create or replace function forget_challenges_with_later_id(before timestamptz, most int) returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  delete from challenges
  where ctid = any(array(
    select ctid from challenges
    where challenge_id >
        (lpad(to_hex((extract(epoch from admitted_at at time zone 'UTC') * 1000)::bigint + 86400000), 12, '0')
          || '70008000000000000000')::uuid
      and admitted_at < before and outcome is not null
    order by admitted_at limit most for update skip locked));
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- What campaigns left that ended before this: their members, notices, log or curves, by the index that begins with the
-- campaign and goes on with `in_order_of`. Campaigns are few, and stay.
create or replace function forget_of_campaigns(kind regclass, in_order_of text, before timestamptz, most int)
  returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  execute format(
    'delete from %1$s where ctid = any(array(
       select old.ctid from campaigns c cross join lateral (
         select ctid from %1$s o where o.campaign_id = c.campaign_id order by %2$I limit $2 for update skip locked) old
       where c.ended_at < $1 limit $2))', kind, in_order_of)
    using before, most;
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;
