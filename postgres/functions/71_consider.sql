-- R2, R4, R7: `consider`, the rule of a campaign for any number of its members: where each stands from now on, and what
-- follows from it. The caller holds the campaign's row lock, and so is alone in writing `campaign_members`; but an erasure
-- takes the number out of it (`close_withdrawn`), and leaves a row of the queue for what else follows.
--
-- Lock order: campaign row → heads, in member_id order → enrollments and the outbox. Heads are locked, where there are
-- any, because a member's events are written under them, and because a challenge that is being admitted reads the
-- enrollment under them; so of the members who are considered only those are locked about whom there is something to tell.
create or replace function lock_heads(member_ids text[]) returns void
  language sql volatile
as $$
  select from (
    select from challenge_heads where member_id = any(member_ids) order by member_id for update
  ) locked
$$;

create or replace function asks_for_settings(reason text) returns boolean
  language sql immutable parallel safe
as $$
  select coalesce(reason in ('family_card', 'minor', 'no_phone', 'phone_unreachable'), false)
$$;

-- rules: adultAge, smsCountries, smsRefusedPrefixes. Returns how many rows of campaign_members were written.
create or replace function consider(campaign text, member_ids text[], rules jsonb) returns integer
  language plpgsql volatile
  -- To its statistics a table that has just grown is still empty, and its rows not worth an index. So every table is asked
  -- for the members of the batch alone, by index, and what comes of it is joined without loops: no plan is worse than the batch.
  set enable_seqscan = off
  set enable_nestloop = off
as $$
declare
  at timestamptz := challenge_now();
  today date := tokyo_day(at);
  adult_age int := (rules->>'adultAge')::int;
  sms_countries text[] := rule_list(rules, 'smsCountries');
  refused_prefixes text[] := rule_list(rules, 'smsRefusedPrefixes');
  -- Of waves 1, 2, …; the last bound ends the last wave.
  bounds int[] := array(select from_cohort from campaign_waves where campaign_id = campaign order by wave)
    || (select max(to_cohort) from campaign_waves where campaign_id = campaign);
  is_open boolean[] := array(
    select opened_at is not null from campaign_waves where campaign_id = campaign order by wave);
  changed int;
  told_of int;
begin
  -- Materialized, so that what is judged is judged once for a member, not once for each use of it.
  with judged as materialized (
    select
      m.member_id, m.status, effective_phone(m, d) as phone, m.birth_date, x.until as exempt_until,
      effective_preference(m, d) = 'sms' or e.member_id is not null as has_sms,
      coalesce(
        ineligibility(m.status, m.family_card, m.birth_date, effective_phone(m, d), effective_phone_country(m, d),
          is_unreachable(r, effective_phone(m, d)), today, adult_age, sms_countries, refused_prefixes),
        case when x.until > at then 'exempt' end,
        -- Erased, and back before anybody looked: what was announced was announced to somebody else.
        case when cm.state = 'enforced' and cm.phone is null then 'withdrawn' end) as reason,
      -- Who is not in yet comes with the wave of their cohort.
      coalesce(cm.wave, width_bucket(cohort(campaign, m.member_id), bounds)) as wave,
      cm.state as was, cm.reason as was_reason, coalesce(cm.round, 0) as was_round, cm.phone as announced_phone,
      cm.announced_at, cm.enforce_at, cm.reconsider_at as was_reconsidered_at,
      -- R4: another message may have reached the number since.
      case when cm.state in ('awaiting', 'announced') then coalesce((
        select case cm.state when 'awaiting' then n.state = 'refused' else n.delivery = 'failed' end
        from campaign_notices n
        where n.campaign_id = campaign and n.member_id = cm.member_id and n.kind = 'announcement' and n.round = cm.round),
        false) end as was_not_reached
    from members m
    left join campaign_members cm
      on cm.campaign_id = campaign and cm.member_id = m.member_id and cm.member_id = any(member_ids)
    left join destinations d on d.member_id = m.member_id and d.member_id = any(member_ids)
    left join reachability r on r.member_id = m.member_id and r.member_id = any(member_ids)
    left join exemptions x on x.member_id = m.member_id and x.member_id = any(member_ids)
    left join enrollments e on e.member_id = m.member_id and e.member_id = any(member_ids)
    where m.member_id = any(member_ids)
  ),
  decided as materialized (
    select j.*,
      case
        -- Also who was announced, and waits to be again: at another number.
        when reason is not null and (was in ('announced', 'enforced', 'released') or announced_at is not null) then 'released'
        when reason is not null then 'excluded'
        when was = 'enforced' then 'enforced'
        when was = 'announced' and phone = announced_phone and not was_not_reached then case when enforce_at <= at then 'enforced' else was end
        -- R4: nothing changes for who chose SMS, or was enrolled by an earlier campaign: there is nothing to announce.
        when has_sms then 'enforced'
        else 'awaiting'
      end as state
    from judged j
    -- A wave is open, or the member is in already.
    where (was is not null or is_open[wave]) and was is distinct from 'rolled_back'
      and (status <> 'erased' or was is not null)
  ),
  written as (
    select d.*,
      was_round + (state = 'awaiting'
        and (was is distinct from 'awaiting' or phone is distinct from announced_phone or was_not_reached))::int as round,
      case reason
        when 'minor' then of_age_on(birth_date, adult_age)::timestamp at time zone 'Asia/Tokyo'
        when 'exempt' then exempt_until
        when 'withdrawn' then case when status = 'active' then at end
      end as reconsider_at,
      asks_for_settings(reason) as asks_for_settings
    from decided d
  ),
  news as (
    select * from written
    where was is distinct from state or was_reason is distinct from reason or was_round <> round
      or was_reconsidered_at is distinct from reconsider_at
  ),
  -- Two statements rather than an upsert, which looks for each row before it inserts it.
  taken_in as (
    insert into campaign_members (
      campaign_id, member_id, wave, state, reason, round, phone, reconsider_at, taken_at, enforced_at
    )
    select campaign, member_id, wave, state, reason, round,
      case when state in ('awaiting', 'enforced') then phone end, reconsider_at, at,
      case when state = 'enforced' then at end
    from news where was is null
  ),
  moved as (
    update campaign_members stands set
      state = news.state,
      reason = news.reason,
      round = news.round,
      phone = case
        when news.state = 'awaiting' then news.phone
        when news.state <> 'excluded' and news.reason is distinct from 'withdrawn'
          then coalesce(announced_phone, news.phone)
      end,
      reconsider_at = news.reconsider_at,
      announced_at = case when was <> 'released' or news.state = 'released' then stands.announced_at end,
      enforce_at = case when news.state in ('announced', 'enforced') then stands.enforce_at end,
      enforced_at = case
        when was = 'enforced' or was = 'released' and news.state = 'released' then stands.enforced_at
        when news.state = 'enforced' then at
      end,
      released_at = case when news.state <> 'released' or was = 'released' then stands.released_at else at end
    from news
    where was is not null and stands.campaign_id = campaign and stands.member_id = news.member_id
      and stands.member_id = any(member_ids)
  ),
  notices as (
    insert into campaign_notices (campaign_id, member_id, kind, round, wave, state, due_at)
    select campaign, member_id, case when state = 'awaiting' then 'announcement' else 'own_settings' end,
      round, wave, 'due', at
    from news
    where (state = 'awaiting' and round > was_round) or (was is null and asks_for_settings)
  ),
  -- Who is excluded later may have been before; and who could not be reached anywhere may be by now.
  own_settings as (
    insert into campaign_notices as stands (campaign_id, member_id, kind, round, wave, state, due_at)
    select campaign, member_id, 'own_settings', 0, wave, 'due', at from written
    where was is not null and asks_for_settings
    on conflict (campaign_id, member_id, kind, round) do update set state = 'due', due_at = excluded.due_at
      where stands.state = 'dropped'
  ),
  no_longer as (
    update campaign_notices n set state = 'dropped'
    from news
    where was is not null and n.campaign_id = campaign and n.member_id = news.member_id and n.member_id = any(member_ids)
      and case
        -- In here, or the index of all that is due might be read for it.
        when n.state <> 'due' then false
        when n.kind = 'announcement' then news.state <> 'awaiting' or n.round < news.round
        else not news.asks_for_settings
      end
  ),
  heads as materialized (
    select from challenge_heads
    where member_id = any(array(
      select member_id from news where state in ('enforced', 'released') and was is distinct from state))
    order by member_id for update
  ),
  -- Read by what is written under the locks, so that they are held by then.
  told as materialized (
    select news.* from (select count(*) from heads) locked
    join news on state in ('enforced', 'released') and was is distinct from state
  ),
  enrolled as (
    insert into enrollments (member_id, mandatory_since, campaign_id)
    select member_id, at, campaign from told where state = 'enforced'
    on conflict do nothing
  ),
  unenrolled as (
    delete from enrollments e using told
    where e.member_id = told.member_id and e.member_id = any(member_ids) and told.was = 'enforced'
  ),
  events as (
    insert into outbox (type, subject, data, occurred_at)
    select 'otp.enrollment.' || state, member_id,
      jsonb_strip_nulls(jsonb_build_object('memberId', member_id, 'campaignId', campaign, 'wave', wave, 'reason', reason)),
      at
    from told
    order by member_id
  )
  select (select count(*) from news), (select count(*) from told) into changed, told_of;
  if told_of > 0 then
    perform pg_notify('outbox', '');
  end if;
  return changed;
end
$$;
