-- R2, R4: the notices of a campaign, from due to accepted. The planner settings are those of 72_campaign.sql.

-- Takes notices that are due into the sender's hands, for `leaseSeconds`, as far as the campaign's rate allows, and the
-- SMS provider's: what goes by SMS, for want of an address too, goes out in what codes leave of it (D8). An address that
-- turns out to be undeliverable is not known here, and its SMS not counted. What a provider that cannot be called holds
-- back costs no try, and holds back what is due after it.
-- rules: leaseSeconds, enforceAfterSeconds, smsCountries, smsRefusedPrefixes, pace: {sms: {provider, perSecond}, email: {…},
-- failuresBeforePause, probeMs}.
-- Returns [{noticeId, memberId, kind, phone, email, language, mobileCarrier, enforceAt?}]; where to is looked up now, so
-- that nothing goes to a destination of the past. `phone` only where SMS may go there.
create or replace function take_notices(campaign text, most int, rules jsonb) returns jsonb
  language plpgsql volatile
  set enable_seqscan = off
  set enable_sort = off
as $$
declare
  c campaigns;
  at timestamptz;
  n int := most;
  pace jsonb := rules->'pace';
  sms_provider text := pace->'sms'->>'provider';
  sms_per_second int := (pace->'sms'->>'perSecond')::int;
  -- Null is as many as one likes.
  sms_left int := least(spare_slots(sms_provider, sms_per_second), spare_probes('sms', pace));
  email_left int := spare_probes('email', pace);
  paced_from timestamptz;
  named_date timestamptz;
  taken jsonb;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  at := challenge_now();
  if campaign_may_act_at(c, at) is distinct from at then
    return '[]';
  end if;
  if c.rate_per_minute > 0 then
    -- At most a second's worth at once, and at least one.
    paced_from := greatest(c.paced_until, at - make_interval(secs => greatest(1, 60.0 / c.rate_per_minute)));
    n := least(most, floor(extract(epoch from at - paced_from) * c.rate_per_minute / 60 + 1e-6)::int);
  end if;
  named_date := after_quiet_hours(
    at + make_interval(secs => (rules->>'enforceAfterSeconds')::float8), c.plan->'quietHours');

  with next as materialized (
    select notice_id, due_at,
      kind = 'announcement'
        or (select email is null from members m where m.member_id = stands.member_id) as is_by_sms,
      -- Not so where it was in hand when its member changed.
      exists (
        select from campaign_members cm
        where cm.campaign_id = campaign and cm.member_id = stands.member_id and case
          when kind = 'announcement' then cm.state = 'awaiting' and cm.round = stands.round
          else asks_for_settings(cm.reason)
        end) as is_wanted
    from campaign_notices stands
    where campaign_id = campaign and state in ('due', 'sending') and due_at <= at
    order by due_at limit greatest(n, 0) for update of stands skip locked
  ),
  unwanted as (
    update campaign_notices set state = 'dropped'
    where notice_id = any(array(select notice_id from next where not is_wanted))
  ),
  picked as (
    select notice_id from (
      select notice_id, count(*) over (partition by is_by_sms order by due_at, notice_id) as place,
        case when is_by_sms then sms_left else email_left end as most_left
      from next where is_wanted
    ) counted
    where most_left is null or place <= most_left
  ),
  in_hand as (
    update campaign_notices
    set state = 'sending', due_at = at + make_interval(secs => (rules->>'leaseSeconds')::float8), tries = tries + 1,
      enforce_at = case when kind = 'announcement' then named_date end
    where notice_id = any(array(select notice_id from picked))
    returning *
  )
  select jsonb_agg(jsonb_build_object(
      'noticeId', h.notice_id, 'memberId', h.member_id, 'kind', h.kind, 'enforceAt', h.enforce_at,
      'email', m.email, 'language', m.language, 'mobileCarrier', effective_carrier(m, d),
      'phone', case
        when h.kind = 'announcement' then (
          select cm.phone from campaign_members cm
          where cm.campaign_id = campaign and cm.member_id = h.member_id and cm.round = h.round)
        when sms_allowed(effective_phone(m, d), effective_phone_country(m, d),
            rule_list(rules, 'smsCountries'), rule_list(rules, 'smsRefusedPrefixes'))
          and not exists (
            select from reachability r where r.member_id = m.member_id and is_unreachable(r, effective_phone(m, d)))
        then effective_phone(m, d)
      end))
    into taken
  from in_hand h
  join members m on m.member_id = h.member_id
  left join destinations d on d.member_id = h.member_id;

  if c.rate_per_minute > 0 and taken is not null then
    update campaigns
    set paced_until = paced_from + make_interval(secs => jsonb_array_length(taken) * 60.0 / rate_per_minute)
    where campaign_id = campaign;
  end if;
  perform use_slots(sms_provider, sms_per_second, count(*)::int) from jsonb_array_elements(taken) t
  where t->>'phone' is not null and (t->>'kind' = 'announcement' or t->>'email' is null);
  perform use_probe(case when t->>'kind' = 'announcement' or t->>'email' is null then 'sms' else 'email' end, pace)
  from jsonb_array_elements(taken) t;
  return coalesce(taken, '[]');
end
$$;

-- Between two tries of a notice: doubled each time up to a quarter of an hour, and spread.
create or replace function notice_backoff(tries int) returns interval
  language sql volatile
as $$
  select make_interval(secs => least(2 ^ least(tries, 10), 900) * (0.75 + random() / 2))
$$;

-- What became of notices that were taken.
-- results: [{noticeId, result: 'accepted' | 'refused' | 'dropped' | 'later' | 'account_refused', channel?, provider?,
-- messageId?, waitMs?}]
-- An accepted announcement sets the date (R4); `later` tries again, not before `waitMs`, a bounded number of times. A number
-- that a provider refuses is as one with a negative receipt (R2). `account_refused` says nothing of the number: it pauses
-- the campaign (R5), spends no try, and is due again at once when the campaign goes on.
create or replace function record_notices(campaign text, results jsonb, rules jsonb) returns void
  language plpgsql volatile
  set enable_seqscan = off
as $$
declare
  c campaigns;
  at timestamptz;
  ids uuid[] := array(select (r->>'noticeId')::uuid from jsonb_array_elements(results) r);
  whose text[] := array(select member_id from campaign_notices where notice_id = any(ids));
  earliest_date timestamptz;
begin
  select * into c from campaigns where campaign_id = campaign for update;
  perform lock_heads(whose);
  at := challenge_now();
  earliest_date := after_quiet_hours(
    at + make_interval(secs => (rules->>'enforceAfterSeconds')::float8), c.plan->'quietHours');
  with said as (
    select (r->>'noticeId')::uuid as notice_id, r->>'result' as result, r->>'channel' as channel,
      r->>'provider' as provider, r->>'messageId' as message_id, (r->>'waitMs')::float8 as wait_ms
    from jsonb_array_elements(results) r
  ),
  recorded as (
    update campaign_notices n
    set
      state = case
        when s.result = 'later' and n.tries >= (rules->>'mostTries')::int then 'refused'
        when s.result in ('later', 'account_refused') then 'due'
        else s.result
      end,
      due_at = case s.result
        when 'later' then at + greatest(make_interval(secs => s.wait_ms / 1000), notice_backoff(n.tries))
        when 'account_refused' then at
        else n.due_at
      end,
      tries = n.tries - (s.result = 'account_refused')::int,
      channel = s.channel, provider = s.provider, message_id = s.message_id,
      accepted_at = case when s.result = 'accepted' then at end
    from said s
    -- A late answer about one that was sent again, and answered, changes nothing.
    where n.notice_id = s.notice_id and n.notice_id = any(ids) and n.state = 'sending'
    returning n.*
  ),
  announced as (
    update campaign_members cm
    set state = 'announced', announced_at = at,
      enforce_at = greatest(r.enforce_at, earliest_date)
    from recorded r
    where r.kind = 'announcement' and r.state = 'accepted'
      and cm.campaign_id = campaign and cm.member_id = r.member_id and cm.member_id = any(whose)
      and cm.round = r.round and cm.state = 'awaiting'
    returning cm.*
  )
  insert into outbox (type, subject, data, occurred_at)
  select 'otp.enrollment.announced', member_id, jsonb_build_object(
    'memberId', member_id, 'campaignId', campaign, 'wave', wave, 'enforceAt', enforce_at), at
  from announced order by member_id;
  perform pg_notify('outbox', '');
  perform pause_for_account(campaign, refusing.provider, at) from (
    select distinct r->>'provider' as provider from jsonb_array_elements(results) r where r->>'result' = 'account_refused'
  ) refusing;
  perform note_answer(channel_pace.value->>'provider') from jsonb_each(rules->'pace') channel_pace
  where channel_pace.key in (
    select r->>'channel' from jsonb_array_elements(results) r where r->>'result' in ('accepted', 'refused'));
  perform note_reachability(array_agg(jsonb_populate_record(null::receipts,
    jsonb_build_object('reference', notice_id, 'kind', 'failed', 'blames', 'destination', 'occurred_at', at))))
  from campaign_notices where notice_id = any(ids) and kind = 'announcement' and state = 'refused' having count(*) > 0;
end
$$;
