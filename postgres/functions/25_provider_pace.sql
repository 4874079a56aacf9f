-- D6, D8: how fast, and whether at all, a provider is called now, by all workers together.
--
-- Three things hold a request back, and each is known to every worker as soon as one knows it:
--   limited  a 429 said for how long; nobody calls before
--   dead     too many temporary failures in a row; one request each probeMs tries, and the first answer ends it
--   busy     the configured number a second; slots are given out in order, some way ahead
--
-- The rate is a GCRA (ITU-T I.371): a burst of a tenth of a second's number, the rest evenly, so that no second sees
-- more than `perSecond`. A slot is reserved only within `withinMs` from now: what comes later is asked for again, so
-- that those who may look further ahead (first tries) pass those who may not (repeated ones). The notices of a campaign
-- take what codes leave of it (`spare_slots`).
--
-- Where no rate is configured and nothing failed, this reads one row and writes nothing.
--
-- pace: {sms: {provider, perSecond}, email: {…}, withinMs, holdsSlot, failuresBeforePause, probeMs}; 0 for perSecond or
--   failuresBeforePause is no limit. holdsSlot: its reserved slot has come.
-- returns: null to go ahead now | {why: 'limited' | 'dead' | 'busy', inMs, isReserved}: a reserved slot is the caller's
--   own in that time, else it is when to ask again.
create or replace function take_slot(by_channel text, pace jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  id text := pace->by_channel->>'provider';
  per_second int := (pace->by_channel->>'perSecond')::int;
  burst int := slot_burst(per_second);
  gap interval := slot_gap(per_second);
  dead_at int := nullif((pace->>'failuresBeforePause')::int, 0);
  p provider_pace;
begin
  if pace is null then
    return null;
  end if;
  select * into p from provider_pace where provider = id;
  if p.limited_until > at then
    return slot_wait('limited', p.limited_until - at, false);
  end if;

  if p.failures >= dead_at then
    update provider_pace
    set next_probe_at = at + probe_interval(pace)
    where provider = id and failures >= dead_at and (next_probe_at is null or next_probe_at <= at);
    if found then
      return null;
    end if;
    select * into p from provider_pace where provider = id;
    if p.failures >= dead_at then
      return slot_wait('dead', p.next_probe_at - at, false);
    end if;
  end if;

  if per_second = 0 or (pace->>'holdsSlot')::boolean then
    return null;
  end if;
  insert into provider_pace as o (provider, next_slot_at) values (id, at + gap)
  on conflict (provider) do update set next_slot_at = greatest(o.next_slot_at, at) + gap
    where greatest(o.next_slot_at, at) - gap * (burst - 1)
      <= at + make_interval(secs => (pace->>'withinMs')::float8 / 1000)
  returning * into p;
  if found then
    return case when p.next_slot_at - gap * burst > at then slot_wait('busy', p.next_slot_at - gap * burst - at, true) end;
  end if;
  select * into p from provider_pace where provider = id;
  return slot_wait('busy', p.next_slot_at - gap * (burst - 1) - at, false);
end
$$;

create or replace function slot_burst(per_second int) returns int
  language sql immutable
as $$
  select 1 + per_second / 10
$$;

create or replace function slot_gap(per_second int) returns interval
  language sql immutable
as $$
  select make_interval(secs => 1.0 / nullif(per_second - slot_burst(per_second) + 1, 0))
$$;

-- How many requests other than codes may go out now: none while a 429 holds, else so many that a code which comes next
-- waits for one slot's gap at the most, or for as long as the burst's. Null is as many as one likes. Takes none of them
-- yet and waits for nobody; who has found how many there are takes them by `use_slots`, at the end of its transaction.
create or replace function spare_slots(by_provider text, per_second int) returns int
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  ahead interval := slot_gap(per_second) * greatest(slot_burst(per_second) - 1, 1);
  p provider_pace;
begin
  select * into p from provider_pace where provider = by_provider;
  if p.limited_until > at then
    return 0;
  elsif per_second = 0 then
    return null;
  end if;
  return greatest(0, floor(extract(epoch from at + ahead - greatest(p.next_slot_at, at))
    / extract(epoch from slot_gap(per_second)) + 1e-6));
end
$$;

create or replace function use_slots(by_provider text, per_second int, used int) returns void
  language sql volatile
as $$
  insert into provider_pace as o (provider, next_slot_at)
  select by_provider, challenge_now() + slot_gap(per_second) * used where per_second > 0 and used > 0
  on conflict (provider) do update
  set next_slot_at = greatest(o.next_slot_at, challenge_now()) + slot_gap(per_second) * used
$$;

-- How many requests other than codes a provider may be sent that a 429 pauses: none; or that seems dead: one, and only where
-- no code has tried it for a while. Null where neither is known of it.
create or replace function spare_probes(by_channel text, pace jsonb) returns int
  language sql volatile
as $$
  select case
    when limited_until > challenge_now() then 0
    when failures >= nullif((pace->>'failuresBeforePause')::int, 0) then
      (coalesce(next_probe_at, '-infinity') <= challenge_now() - probe_interval(pace))::int
  end
  from provider_pace where provider = pace->by_channel->>'provider'
$$;

create or replace function use_probe(by_channel text, pace jsonb) returns void
  language sql volatile
as $$
  update provider_pace set next_probe_at = challenge_now() + probe_interval(pace)
  where provider = pace->by_channel->>'provider' and failures >= nullif((pace->>'failuresBeforePause')::int, 0)
$$;

create or replace function slot_wait(why text, duration interval, is_reserved boolean) returns jsonb
  language sql immutable
as $$
  select jsonb_build_object(
    'why', why, 'inMs', greatest(ceil(extract(epoch from duration) * 1000), 1), 'isReserved', is_reserved)
$$;

-- Spread a little, so that the workers' probes of several systems do not fall together.
create or replace function probe_interval(pace jsonb) returns interval
  language sql volatile
as $$
  select make_interval(secs => (pace->>'probeMs')::float8 / 1000 * (0.75 + random() / 2))
$$;

-- A provider refused a message, or did not answer. Only called when that happens.
--
-- error_kind: as `SendError` has it. `limited` pauses for pause_ms; `temporary` counts, unless the request began before
-- the provider recovered; `permanent` is an answer like any other.
-- Returns whether this very call stopped the others.
create or replace function note_send_error(
  by_provider text, error_kind text, pause_ms int, took_ms int, pace jsonb
) returns boolean
  language plpgsql volatile
as $$
declare
  at timestamptz;
  dead_at int := (pace->>'failuresBeforePause')::int;
  p provider_pace;
begin
  if error_kind = 'permanent' then
    perform note_answer(by_provider);
    return false;
  end if;
  insert into provider_pace (provider) values (by_provider) on conflict do nothing;
  select * into p from provider_pace where provider = by_provider for update;
  at := challenge_now();
  if error_kind = 'limited' then
    update provider_pace set limited_until = greatest(p.limited_until, at + make_interval(secs => pause_ms / 1000.0))
    where provider = by_provider;
    return p.limited_until is null or p.limited_until <= at;
  elsif p.recovered_at > at - make_interval(secs => took_ms / 1000.0) then
    return false;
  end if;
  update provider_pace
  set failures = p.failures + 1,
      next_probe_at = case when p.failures < dead_at then at + probe_interval(pace) else p.next_probe_at end
  where provider = by_provider;
  return p.failures + 1 = dead_at;
end
$$;

-- A provider answered: its failures are over. Writes only where there are any.
create or replace function note_answer(by_provider text) returns void
  language sql volatile
as $$
  update provider_pace set failures = 0, next_probe_at = null, recovered_at = challenge_now()
  where provider = by_provider and failures > 0
$$;
