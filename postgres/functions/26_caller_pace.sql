-- U1: how fast a caller may call, over all instances of the API.
--
-- A GCRA (ITU-T I.371) with a burst of one second's number. An instance takes requests in batches, ahead of their coming,
-- so that a request costs no statement of its own; what it has not used within a second is lost.
--
-- Always by the server's clock: no code lives longer or shorter by it, and a clock that stands still would refuse everybody.
--
-- returns: {granted, left, inMs}: how many of those `wanted`, how many more there were for others, and, where none was
--   granted, in how many milliseconds there is one
create or replace function take_requests(by_caller text, per_second int, wanted int) returns jsonb
  language plpgsql volatile
as $$
declare
  gap interval := make_interval(secs => 1.0 / per_second);
  burst interval := gap * per_second;
  at timestamptz;
  due timestamptz;
  room int;
  granted int;
begin
  insert into caller_pace (caller, next_slot_at) values (by_caller, clock_timestamp()) on conflict do nothing;
  select next_slot_at into due from caller_pace where caller = by_caller for update;
  at := clock_timestamp();
  due := greatest(due, at);
  room := greatest(0, floor(extract(epoch from at + burst - due) / extract(epoch from gap)));
  granted := least(room, wanted);
  if granted > 0 then
    update caller_pace set next_slot_at = due + gap * granted where caller = by_caller;
  end if;
  return jsonb_build_object('granted', granted, 'left', room - granted,
    'inMs', case when granted = 0 then ceil(extract(epoch from due + gap - burst - at) * 1000) else 0 end);
end
$$;
