-- R2, R4, R7: `consider`, the rule of a campaign for any number of its members: where each stands from now on, and what
-- follows from it. The caller holds the campaign's row lock.
--
-- Lock order: campaign row → heads, in member_id order → the rest. Heads are locked, where there are any, because events
-- of a member are written to the outbox under them; nothing here makes one.
create or replace function lock_heads(member_ids text[]) returns void
  language sql volatile
as $$
  select from (
    select from challenge_heads where member_id = any(member_ids) order by member_id for update
  ) locked
$$;

-- rules: adultAge, smsCountries. Returns how many rows of campaign_members were written.
create or replace function consider(campaign text, member_ids text[], rules jsonb) returns integer
  language plpgsql volatile
as $$
declare
  at timestamptz;
  today date;
  adult_age int := (rules->>'adultAge')::int;
  sms_countries text[] := array(select jsonb_array_elements_text(rules->'smsCountries'));
  changed int;
  told int;
begin
  perform lock_heads(member_ids);
  at := challenge_now();
  today := tokyo_day(at);

  with judged as (
    select
      m.member_id, m.phone, m.birth_date, x.until as exempt_until,
      m.notification_preference = 'sms' as chose_sms,
      coalesce(
        ineligibility(m.status, m.family_card, m.birth_date, m.phone, m.phone_country, is_unreachable(r, m.phone),
          today, adult_age, sms_countries),
        case when x.until > at then 'exempt' end) as reason,
      coalesce(cm.wave, w.wave) as wave,
      cm.state as was, cm.reason as was_reason, coalesce(cm.round, 0) as was_round, cm.phone as announced_phone,
      cm.enforce_at, cm.reconsider_at as was_reconsidered_at
    from (select distinct id from unnest(member_ids) id) asked
    join members m on m.member_id = asked.id
    left join campaign_members cm on cm.campaign_id = campaign and cm.member_id = m.member_id
    -- Who is not in yet comes with the wave of their cohort, once that is open.
    left join campaign_waves w on w.campaign_id = campaign and cm.member_id is null and w.opened_at is not null
      and cohort(campaign, m.member_id) >= w.from_cohort and cohort(campaign, m.member_id) < w.to_cohort
    left join reachability r on r.member_id = m.member_id
    left join exemptions x on x.member_id = m.member_id
    where coalesce(cm.wave, w.wave) is not null and cm.state is distinct from 'rolled_back'
      and (m.status <> 'erased' or cm.member_id is not null)
  ),
  decided as (
    select j.*,
      case
        when reason is not null and was in ('announced', 'enforced', 'released') then 'released'
        when reason is not null then 'excluded'
        when was = 'enforced' then 'enforced'
        when was = 'announced' and phone = announced_phone then case when enforce_at <= at then 'enforced' else was end
        -- R4: nothing changes for them, so there is nothing to announce.
        when chose_sms then 'enforced'
        else 'awaiting'
      end as state
    from judged j
  ),
  written as (
    select d.*,
      was_round + (state = 'awaiting' and (was is distinct from 'awaiting' or phone is distinct from announced_phone))::int
        as round,
      case reason
        when 'minor' then of_age_on(birth_date, adult_age)::timestamp at time zone 'Asia/Tokyo'
        when 'exempt' then exempt_until
      end as reconsider_at
    from decided d
  ),
  news as (
    select * from written
    where was is distinct from state or was_reason is distinct from reason or was_round <> round
      or was_reconsidered_at is distinct from reconsider_at
  ),
  members_written as (
    insert into campaign_members as stands (
      campaign_id, member_id, wave, state, reason, round, phone, reconsider_at, taken_at, enforced_at, released_at
    )
    select campaign, member_id, wave, state, reason, round,
      case
        when state = 'awaiting' then phone
        when state <> 'excluded' and reason is distinct from 'withdrawn' then coalesce(announced_phone, phone)
      end, reconsider_at, at,
      case when state = 'enforced' then at end, null
    from news
    order by member_id
    on conflict (campaign_id, member_id) do update set
      state = excluded.state,
      reason = excluded.reason,
      round = excluded.round,
      phone = excluded.phone,
      reconsider_at = excluded.reconsider_at,
      announced_at = case when stands.round = excluded.round then stands.announced_at end,
      enforce_at = case when excluded.state in ('announced', 'enforced') then stands.enforce_at end,
      enforced_at = case when stands.state = 'enforced' then stands.enforced_at else excluded.enforced_at end,
      released_at = case when excluded.state <> 'released' or stands.state = 'released' then stands.released_at else at end
    returning 1
  ),
  announcements as (
    insert into campaign_notices (campaign_id, member_id, kind, round, wave, state, due_at)
    select campaign, member_id, 'announcement', round, wave, 'due', at from news
    where state = 'awaiting' and round > was_round
  ),
  own_settings as (
    insert into campaign_notices as stands (campaign_id, member_id, kind, round, wave, state, due_at)
    select campaign, member_id, 'own_settings', 0, wave, 'due', at from news
    where reason in ('family_card', 'minor', 'no_phone', 'phone_unreachable')
    on conflict (campaign_id, member_id, kind, round) do update set state = 'due', due_at = excluded.due_at
      where stands.state = 'dropped'
  ),
  no_longer as (
    update campaign_notices n set state = 'dropped'
    from news
    where n.campaign_id = campaign and n.member_id = news.member_id and n.state = 'due'
      and case n.kind
        when 'announcement' then news.state <> 'awaiting' or n.round < news.round
        else news.reason is null or news.reason in ('withdrawn', 'exempt')
      end
  ),
  enrolled as (
    insert into enrollments (member_id, mandatory_since, campaign_id)
    select member_id, at, campaign from news where state = 'enforced' and was is distinct from 'enforced'
    on conflict do nothing
  ),
  unenrolled as (
    delete from enrollments e using news
    where e.member_id = news.member_id and news.was = 'enforced' and news.state <> 'enforced'
  ),
  events as (
    insert into outbox (type, subject, data, occurred_at)
    select 'otp.enrollment.' || state, member_id,
      jsonb_strip_nulls(jsonb_build_object('memberId', member_id, 'campaignId', campaign, 'wave', wave, 'reason', reason)),
      at
    from news
    where state in ('enforced', 'released') and was is distinct from state
    order by member_id
    returning 1
  )
  select (select count(*) from members_written), (select count(*) from events) into changed, told;
  if told > 0 then
    perform pg_notify('outbox', '');
  end if;
  return changed;
end
$$;
