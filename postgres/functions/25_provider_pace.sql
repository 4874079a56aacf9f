-- D6, D8: how fast, and whether at all, a provider is called now, by all workers together.
--
-- Three things hold a request back, and each is known to every worker as soon as one knows it:
--   limited  a 429 said for how long
--   dead     too many temporary failures in a row
--   busy     the configured number a second; slots are given out in order, some way ahead
--
-- A provider that is limited or dead is paused: it gets no request but a probe, one after each `pauseMostMs` where it is
-- limited (or when the pause that it asked for is over, if that is sooner), one after each `probeMs` where it is dead.
-- The answer to a probe ends the pause for all, or renews it. A start may be admitted as the probe (`choose_way`); it then
-- holds the probe (`probe_by`) until its request begins. A probe that is never made is lost: the next one comes as usual.
--
-- The rate is a GCRA (ITU-T I.371): a burst of a tenth of a second's number, the rest evenly, so that no second sees
-- more than `perSecond`. A slot is reserved only within `withinMs` from now: what comes later is asked for again, so
-- that those who may look further ahead (first tries) pass those who may not (repeated ones). The notices of a campaign
-- take what codes leave of it (`spare_slots`).
--
-- Where no rate is configured and nothing failed, this reads one row and writes nothing.
--
-- pace: {sms: {provider, perSecond}, email: {…}, withinMs, holdsSlot, failuresBeforePause, probeMs, pauseMostMs}; 0 for
--   perSecond or failuresBeforePause is no limit. holdsSlot: its reserved slot has come.

create or replace function is_paused(p provider_pace, pace jsonb, at timestamptz) returns boolean
  language sql immutable
as $$
  select coalesce(p.limited_until > at, false)
    or coalesce(p.failures >= nullif((pace->>'failuresBeforePause')::int, 0), false)
$$;

-- When a paused provider may be probed next.
create or replace function probe_due_at(p provider_pace) returns timestamptz
  language sql immutable
as $$
  select coalesce(p.next_probe_at, p.limited_until, '-infinity')
$$;

-- Takes the probe that is due, if it has been for `grace`: whoever has something to lose lets others go first. `holder` is
-- a challenge that will ask later; null for who asks at once.
create or replace function take_probe(by_provider text, holder uuid, grace interval, pace jsonb) returns boolean
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
begin
  update provider_pace p
  set probe_by = holder,
      next_probe_at = at + case
        when p.limited_until > at then make_interval(secs => coalesce((pace->>'pauseMostMs')::float8 / 1000, 30))
        else probe_interval(pace) end
  where p.provider = by_provider and is_paused(p, pace, at) and probe_due_at(p) + grace <= at;
  return found;
end
$$;

-- How long those with something to lose, another channel or a live code, leave a probe that is due to others.
create or replace function probe_grace() returns interval
  language sql immutable
as $$ select interval '5 seconds' $$;

-- Asks to call the provider of a channel now, for the challenge `holder`.
--
-- returns: null to go ahead now | {isProbe} to go ahead as the probe | {why: 'limited' | 'dead' | 'busy', inMs,
--   isReserved}: a reserved slot is the caller's own in that time, else it is when to ask again.
create or replace function take_slot(by_channel text, pace jsonb, holder uuid) returns jsonb
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  id text := pace->by_channel->>'provider';
  per_second int := (pace->by_channel->>'perSecond')::int;
  burst int := slot_burst(per_second);
  gap interval := slot_gap(per_second);
  p provider_pace;
begin
  if pace is null then
    return null;
  end if;
  select * into p from provider_pace where provider = id;
  if is_paused(p, pace, at) then
    update provider_pace set probe_by = null where provider = id and probe_by = holder;
    if found or take_probe(id, null, '0', pace) then
      return jsonb_build_object('isProbe', true);
    end if;
    select * into p from provider_pace where provider = id;
    if p.limited_until > at then
      return slot_wait('limited', least(p.limited_until, probe_due_at(p)) - at, false);
    elsif is_paused(p, pace, at) then
      return slot_wait('dead', probe_due_at(p) - at, false);
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

-- C2, D2: by which of the ways that policy allows a new code goes, so that a provider takes it now. `ways` are in the order
-- of preference, each {channel, …}. A pause that is over within a second is waited for.
--
-- Whoever would lose something if the provider still refuses (`holds_code`: a live code, which the start supersedes;
-- or another way that is open) is the probe only where nobody else has been for a while. Takes no probe yet.
--
-- returns: the way, with {probe: provider, graceMs} where it goes as the probe | {retryAfter} in seconds
create or replace function choose_way(ways jsonb, holds_code boolean, pace jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  way jsonb;
  p provider_pace;
  open_way jsonb;
  paused_ways jsonb[] := '{}';
  due timestamptz[] := '{}';
  grace interval;
begin
  for way in select value from jsonb_array_elements(ways) loop
    select * into p from provider_pace where provider = pace->(way->>'channel')->>'provider';
    if not is_paused(p, pace, at + interval '1 second') then
      open_way := way;
      exit;
    end if;
    paused_ways := paused_ways || way;
    due := due || probe_due_at(p);
  end loop;
  grace := case when holds_code or open_way is not null then probe_grace() else '0' end;
  for i in 1 .. cardinality(due) loop
    if due[i] + grace <= at then
      return paused_ways[i] || jsonb_build_object(
        'probe', pace->(paused_ways[i]->>'channel')->>'provider', 'graceMs', extract(epoch from grace) * 1000);
    end if;
  end loop;
  return coalesce(open_way, (
    select jsonb_build_object('retryAfter', greatest(ceil(extract(epoch from min(moment) + grace - at)), 1)::int)
    from unnest(due) moment));
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

-- How many requests other than codes may go out now: none while a 429 holds (but a probe that no code has made for a
-- while), else so many that a code which comes next waits for one slot's gap at the most, or for as long as the burst's.
-- Null is as many as one likes. Takes none of them yet and waits for nobody; who has found how many there are takes them
-- by `use_slots`, at the end of its transaction.
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
    return (probe_due_at(p) + probe_grace() <= at)::int;
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

-- How many requests other than codes a paused provider may be sent: one, and only where no code has probed it for a
-- while. Null where it is not paused.
create or replace function spare_probes(by_channel text, pace jsonb) returns int
  language sql volatile
as $$
  select (probe_due_at(p) + case when p.limited_until > challenge_now() then probe_grace() else probe_interval(pace) end
    <= challenge_now())::int
  from provider_pace p where p.provider = pace->by_channel->>'provider' and is_paused(p, pace, challenge_now())
$$;

create or replace function use_probe(by_channel text, pace jsonb) returns void
  language sql volatile
as $$
  select take_probe(pace->by_channel->>'provider', null, '0', pace)
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
-- error_kind: as `SendError` has it. `limited` pauses for pause_ms; `temporary` counts; `permanent` is an answer like any
-- other. What a request that began before the provider recovered says is old, and counts for nothing.
-- Returns whether this very call stopped the others.
create or replace function note_send_error(
  by_provider text, error_kind text, pause_ms int, took_ms int, pace jsonb
) returns boolean
  language plpgsql volatile
as $$
declare
  at timestamptz;
  began timestamptz;
  dead_at int := (pace->>'failuresBeforePause')::int;
  -- Where there is no most, the provider's own word.
  first_probe interval := make_interval(secs => least(pause_ms, (pace->>'pauseMostMs')::float8) / 1000.0);
  p provider_pace;
begin
  if error_kind = 'permanent' then
    perform note_answer(by_provider, took_ms);
    return false;
  end if;
  insert into provider_pace (provider) values (by_provider) on conflict do nothing;
  select * into p from provider_pace where provider = by_provider for update;
  at := challenge_now();
  began := at - make_interval(secs => took_ms / 1000.0);
  if p.recovered_at > began then
    return false;
  elsif error_kind = 'limited' and p.limited_until > at and began <= p.limited_since then
    -- It was on its way when another was told: no pause gets shorter by it, nor its probe later.
    update provider_pace set limited_until = greatest(p.limited_until, at + make_interval(secs => pause_ms / 1000.0))
    where provider = by_provider;
    return false;
  elsif error_kind = 'limited' then
    update provider_pace
    set limited_until = at + make_interval(secs => pause_ms / 1000.0), limited_since = at,
        next_probe_at = at + first_probe, probe_by = null
    where provider = by_provider;
    return p.limited_until is null or p.limited_until <= at;
  end if;
  update provider_pace
  set failures = p.failures + 1,
      next_probe_at = case when p.failures + 1 = dead_at and not coalesce(p.limited_until > at, false)
        then at + probe_interval(pace) else p.next_probe_at end
  where provider = by_provider;
  return p.failures + 1 = dead_at;
end
$$;

-- A provider answered a request that took so long: its failures are over, and so is its pause where the request began
-- after it. Writes only where there is something to end.
create or replace function note_answer(by_provider text, took_ms int) returns void
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  began timestamptz := at - make_interval(secs => took_ms / 1000.0);
begin
  update provider_pace p
  set failures = 0, recovered_at = at,
      limited_until = case when not is_over then p.limited_until end,
      limited_since = case when not is_over then p.limited_since end,
      next_probe_at = case when not is_over then p.next_probe_at end,
      probe_by = case when not is_over then p.probe_by end
  from (select coalesce(o.limited_since, '-infinity') < began as is_over from provider_pace o where o.provider = by_provider) o
  where p.provider = by_provider and (p.failures > 0 or (p.limited_until is not null and is_over));
end
$$;

-- The same where nobody knows how long it took: none takes longer than this.
create or replace function note_answer(by_provider text) returns void
  language sql volatile
as $$
  select note_answer(by_provider, 20000)
$$;
