-- U4: what becomes of events that were sent.

-- Asks for events to be sent again; asked a second time under the same id, the same. Returns null where that id was used
-- for another request.
create or replace function ask_replay(
  id uuid, since timestamptz, until timestamptz, member text, who text
) returns outbox_replays
  language plpgsql volatile
as $$
declare
  asked outbox_replays;
begin
  insert into outbox_replays (replay_id, from_time, to_time, member_id, asked_by, asked_at)
  values (id, since, until, member, who, challenge_now())
  on conflict do nothing;
  select * into asked from outbox_replays where replay_id = id;
  if (asked.from_time, asked.to_time, asked.member_id, asked.asked_by) is distinct from (since, until, member, who) then
    return null;
  end if;
  perform pg_notify('outbox', '');
  return asked;
end
$$;

-- Puts what was asked for back into the outbox, under the ids that it had: so a member's events go out again in their order,
-- and before any that came after them. Only the relay calls it, between two batches: in the middle of one, events that are
-- on their way would be passed over.
create or replace function carry_out_replays() returns void
  language plpgsql volatile
as $$
declare
  r outbox_replays;
  moved bigint;
begin
  for r in select * from outbox_replays where done_at is null order by asked_at for update skip locked loop
    with again as (
      delete from outbox_sent
      where occurred_at >= r.from_time and (r.to_time is null or occurred_at < r.to_time)
        and (r.member_id is null or subject = r.member_id)
      returning *
    )
    insert into outbox (id, event_id, type, subject, data, occurred_at) overriding system value
    select id, event_id, type, subject, data, occurred_at from again;
    get diagnostics moved = row_count;
    update outbox_replays set done_at = challenge_now(), events = moved where replay_id = r.replay_id;
  end loop;
end
$$;
