-- P2: the member sets where codes go.
--
-- Lock order: campaign start (advisory, shared) → head row → destinations, notices, the campaign's queue and the outbox.

-- Whether a challenge proves right now that it is the member who wants a change: it was verified within the last
-- `step_up_seconds`, at a destination that is still theirs. What was proven with a number that has been replaced since proves
-- nothing any more.
create or replace function proves_member(
  c challenges, m members, d destinations, step_up_seconds float8, at timestamptz
) returns boolean
  language sql immutable
as $$
  select coalesce(c.member_id = m.member_id and c.purpose = 'change_membership' and c.outcome = 'verified'
    and c.closed_at > at - make_interval(secs => step_up_seconds)
    and (c.destination = effective_phone(m, d) or c.destination = m.email), false)
$$;

-- Sets a number, a choice, or both, in one statement.
--
-- The session proves the member by a challenge (`proves_member`). A number is theirs by a `register_phone` challenge that was
-- verified at exactly it, and sets a number once; at most an hour ago, as long as a visit lasts. `version` is that of the row
-- when the form was drawn, 0 for none: a form from before a change changes nothing. So it is safe to repeat.
--
-- request: memberId, visitId, version, stepUpId, registration: {challengeId, phone, country} | null,
--   choice: 'sms' | 'email' | null
-- rules:   stepUpSeconds, adultAge, smsCountries, smsRefusedPrefixes
-- returns: {kind: 'changed', notices: [id]} | {kind: 'unchanged'} | {kind: 'refused', reason}; reasons: unknown_member,
--   not_resident, changed_meanwhile, step_up_required, number_not_verified, no_usable_phone, no_usable_email, sms_mandatory
create or replace function set_destination(request jsonb, rules jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  member text := request->>'memberId';
  new_choice text := request->>'choice';
  registered text := request->'registration'->>'phone';
  at timestamptz;
  m members;
  before destinations;
  after destinations;
  phone_before text;
  phone_after text;
  is_phone_new boolean;
  is_choice_new boolean;
  goes_by_sms boolean;
  is_unreachable_now boolean;
  kinds text[];
  notice_ids uuid[];
begin
  perform pg_advisory_xact_lock_shared(campaign_start_lock());
  perform lock_head(member);
  at := challenge_now();
  select * into m from members where member_id = member and status = 'active';
  if not found then
    return refused_destination('unknown_member');
  end if;
  select * into before from destinations where member_id = member;
  phone_before := effective_phone(m, before);

  if m.country is distinct from 'JP' then
    return refused_destination('not_resident');
  elsif (request->>'version')::int <> coalesce(before.version, 0) then
    return refused_destination('changed_meanwhile');
  elsif not exists (
    select from challenges c
    where c.challenge_id = (request->>'stepUpId')::uuid
      and proves_member(c, m, before, (rules->>'stepUpSeconds')::float8, at)
  ) then
    return refused_destination('step_up_required');
  elsif registered is not null and not exists (
    select from challenges c
    where c.challenge_id = (request->'registration'->>'challengeId')::uuid and c.member_id = member
      and c.purpose = 'register_phone' and c.outcome = 'verified' and c.destination = registered
      and c.closed_at > at - interval '1 hour' and (before.phone_since is null or c.closed_at > before.phone_since)
  ) then
    return refused_destination('number_not_verified');
  end if;

  after := before;
  after.member_id := member;
  after.version := coalesce(before.version, 0) + 1;
  if registered is not null then
    after.phone := registered;
    after.phone_country := request->'registration'->>'country';
    after.phone_since := at;
  end if;
  if new_choice is not null then
    after.choice := new_choice;
    after.choice_since := at;
  end if;
  phone_after := effective_phone(m, after);
  is_phone_new := phone_after is distinct from phone_before;
  is_choice_new := effective_preference(m, after) is distinct from coalesce(effective_preference(m, before), 'email');
  -- Whoever has just entered a code from there can be reached there, whatever receipts said.
  is_unreachable_now := registered is null
    and exists (select from reachability r where r.member_id = member and is_unreachable(r, phone_after));

  if (registered is not null or new_choice = 'sms') and sms_allowed(phone_after, effective_phone_country(m, after),
      rule_list(rules, 'smsCountries'), rule_list(rules, 'smsRefusedPrefixes')) is not true then
    return refused_destination('no_usable_phone');
  elsif new_choice = 'email' and m.email is null then
    return refused_destination('no_usable_email');
  end if;
  goes_by_sms := sms_mandatory_with(m, phone_after, effective_phone_country(m, after), is_unreachable_now, rules);
  if new_choice = 'email' and goes_by_sms then
    return refused_destination('sms_mandatory');
  elsif registered is null and not is_choice_new then
    return jsonb_build_object('kind', 'unchanged');
  end if;
  goes_by_sms := goes_by_sms or effective_preference(m, after) = 'sms';

  insert into destinations as stands select (after).*
  on conflict (member_id) do update set
    version = excluded.version, phone = excluded.phone, phone_country = excluded.phone_country,
    phone_since = excluded.phone_since, choice = excluded.choice, choice_since = excluded.choice_since;
  update destination_visits set phone = null, phone_country = null, register_id = null, changed_at = at
  where visit_id = (request->>'visitId')::uuid;
  if registered is not null then
    delete from reachability r where r.member_id = member and r.phone = registered;
  end if;
  if is_phone_new then
    perform tell_of_destination(member, jsonb_build_object('field', 'phone'), at);
  end if;
  if is_choice_new then
    perform tell_of_destination(member, jsonb_build_object('field', 'preference', 'channel', new_choice), at);
  end if;
  if exists (select from campaigns where state in ('running', 'paused')) then
    insert into campaign_queue (member_id) values (member);
  end if;

  -- What is said of a change of both: where codes go now, and apart from that only what it leaves out.
  kinds := array_remove(array[
    case when goes_by_sms and (is_phone_new or is_choice_new) then 'sms' when is_phone_new then 'phone' end,
    case when is_choice_new and not goes_by_sms then 'email' end], null);
  with told as (
    insert into member_notices (
      member_id, kind, channel, destination, new_phone, mobile_carrier, changed_at, state, due_at
    )
    select member, kind, channel, destination, case when kind <> 'email' then phone_after end, carrier, at, 'due', at
    from unnest(kinds) kind
    cross join (
      -- Wherever a code could have gone before, and wherever one can go from now on: whoever took over one of them shall
      -- not be the only one who hears of it.
      select 'sms' as channel, phone_before as destination, effective_carrier(m, before) as carrier
      where sms_allowed(phone_before, effective_phone_country(m, before),
        rule_list(rules, 'smsCountries'), rule_list(rules, 'smsRefusedPrefixes'))
      union all
      select 'sms', phone_after, effective_carrier(m, after)
      where is_phone_new
      union all
      select 'email', m.email, null where m.email is not null
    ) whom
    returning notice_id
  )
  select array_agg(notice_id) into notice_ids from told;
  return jsonb_build_object('kind', 'changed', 'notices', coalesce(to_jsonb(notice_ids), '[]'));
end
$$;

create or replace function refused_destination(reason text) returns jsonb
  language sql immutable
as $$ select jsonb_build_object('kind', 'refused', 'reason', reason) $$;

-- U4. The number itself is nobody's business there.
create or replace function tell_of_destination(member text, change jsonb, at timestamptz) returns void
  language sql volatile
as $$
  insert into outbox (type, subject, data, occurred_at)
  values ('otp.destination.changed', member, jsonb_build_object('memberId', member) || change, at);
  select pg_notify('outbox', '');
$$;

-- Where codes go, as the page shows it: personal data. Null for a member who is not active.
create or replace function read_destination(member text, rules jsonb) returns jsonb
  language sql stable
as $$
  select jsonb_build_object(
    'version', coalesce(d.version, 0), 'country', m.country, 'language', m.language,
    'email', m.email, 'phone', effective_phone(m, d), 'phoneCountry', effective_phone_country(m, d),
    'preference', effective_preference(m, d), 'smsMandatory', sms_mandatory(m, rules, true))
  from members m left join destinations d on d.member_id = m.member_id
  where m.member_id = member and m.status = 'active'
$$;

-- How far a visit has come, for the page. `provenBy` is a challenge that proves the member, begun by any visit of the same
-- session. Null for an unknown visit.
-- returns: {stepUpId, provenBy, phone, phoneCountry, registerId, registeredBy, changedAt}
create or replace function read_destination_visit(visit uuid, step_up_seconds float8) returns jsonb
  language sql stable
as $$
  select jsonb_build_object(
    'stepUpId', own.step_up_id, 'phone', own.phone, 'phoneCountry', own.phone_country, 'registerId', own.register_id,
    'changedAt', own.changed_at,
    'registeredBy', (
      select n.challenge_id from newest_of_chain(own.register_id, 0) n
      where n.outcome = 'verified' and n.destination = own.phone),
    'provenBy', (
      select n.challenge_id
      from page_visits o
      join destination_visits dv on dv.visit_id = o.visit_id
      cross join lateral newest_of_chain(dv.step_up_id, 0) n
      where o.session_hash = v.session_hash and proves_member(n, m, d, step_up_seconds, challenge_now())
      order by n.closed_at desc limit 1))
  from page_visits v
  join members m on m.member_id = v.member_id
  left join destinations d on d.member_id = v.member_id
  left join destination_visits own on own.visit_id = v.visit_id
  where v.visit_id = visit
$$;

-- Whether SMS is mandatory for a visit's member once the number that the visit is about counts; false where it is about none.
create or replace function sms_mandatory_after(visit uuid, rules jsonb) returns boolean
  language sql stable
as $$
  select exists (
    select from destination_visits own
    join page_visits v on v.visit_id = own.visit_id
    join members m on m.member_id = v.member_id
    where own.visit_id = visit and sms_mandatory_with(m, own.phone, own.phone_country, false, rules))
$$;

-- Takes a notice that is due into its sender's hands for `lease_seconds`.
--
-- returns {kind: 'send', memberId, about, channel, destination, newPhone, mobileCarrier, language, changedAt, tries}
--   | {kind: 'wait', inMs} while it is in other hands or not due yet | {kind: 'settled', state}; state null: there is none,
--   or no longer, since the member was erased
create or replace function take_member_notice(notice uuid, lease_seconds float8) returns jsonb
  language plpgsql volatile
as $$
declare
  at timestamptz;
  n member_notices;
begin
  select * into n from member_notices where notice_id = notice for update;
  at := challenge_now();
  if n.state is null or n.state not in ('due', 'sending') then
    return jsonb_build_object('kind', 'settled', 'state', n.state);
  elsif n.due_at > at then
    return jsonb_build_object('kind', 'wait', 'inMs', ceil(extract(epoch from n.due_at - at) * 1000));
  end if;
  update member_notices
  set state = 'sending', due_at = at + make_interval(secs => lease_seconds), tries = tries + 1
  where notice_id = notice
  returning * into n;
  return jsonb_build_object(
    'kind', 'send', 'memberId', n.member_id, 'about', n.kind, 'channel', n.channel, 'destination', n.destination,
    'newPhone', n.new_phone, 'mobileCarrier', n.mobile_carrier, 'changedAt', n.changed_at, 'tries', n.tries,
    'language', (select m.language from members m where m.member_id = n.member_id));
end
$$;

-- What became of it. `result`: accepted | refused | dropped | later, which tries again after `wait_ms`, while it is of any
-- use: for a day. Once it is settled nothing personal is left of it. Returns the state that stands, or null.
create or replace function record_member_notice(
  notice uuid, result text, by_provider text, by_message_id text, wait_ms float8
) returns text
  language plpgsql volatile
as $$
declare
  at timestamptz;
  n member_notices;
begin
  select * into n from member_notices where notice_id = notice for update;
  at := challenge_now();
  if n.state is distinct from 'sending' then
    return n.state;
  end if;
  n.state := case
    when result = 'later' and n.changed_at < at - interval '1 day' then 'refused'
    when result = 'later' then 'due'
    else result
  end;
  update member_notices
  set state = n.state, provider = by_provider, message_id = by_message_id,
    due_at = case when n.state = 'due' then at + make_interval(secs => wait_ms / 1000) else due_at end,
    destination = case when n.state = 'due' then destination end,
    new_phone = case when n.state = 'due' then new_phone end,
    mobile_carrier = case when n.state = 'due' then mobile_carrier end
  where notice_id = notice;
  return n.state;
end
$$;

-- Notices that have been due for `grace_seconds` and more: whoever should send them died, or they wait for a provider.
create or replace function overdue_member_notices(grace_seconds float8, most int) returns uuid[]
  language sql stable
as $$
  select array(
    select notice_id from member_notices
    where state in ('due', 'sending') and due_at < (select challenge_now()) - make_interval(secs => grace_seconds)
    order by due_at desc limit most)
$$;
