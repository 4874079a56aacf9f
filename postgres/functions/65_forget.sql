-- C9, C13, D7, P2, U4: forgetting what was kept long enough. Each function forgets one kind: what is from before a time, the
-- oldest first, at most so many rows and none that is locked. Returns how many; fewer than asked for means that none is left.
--
-- Each finds its rows by an index, in the order of that index. The order matters: where the last rows are gone that a
-- planner remembers, it would read a whole table to find the next batch, and find none.

-- What has a time of its own, and needs no other reason to go.
create or replace function forget_older(kind regclass, time_column text, before timestamptz, most int) returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  execute format(
    'delete from %1$s where ctid = any(array(
       select ctid from %1$s where %2$I < $1 order by %2$I limit $2 for update skip locked))', kind, time_column)
    using before, most;
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- The addresses that end users asked from (C9).
create or replace function forget_addresses(before timestamptz, most int) returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  update challenges set ip_hash = null
  where ctid = any(array(
    select ctid from challenges where ip_hash is not null and admitted_at < before
    order by admitted_at limit most for update skip locked));
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

-- Notices of a change (P2). One that no provider has answered yet is still to be sent.
create or replace function forget_member_notices(before timestamptz, most int) returns integer
  language plpgsql volatile
as $$
declare
  forgotten int;
begin
  delete from member_notices
  where ctid = any(array(
    select ctid from member_notices where changed_at < before and state not in ('due', 'sending')
    order by changed_at limit most for update skip locked));
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;
