-- R6: the dry run. How many members each wave would take now, by exclusion; nothing is changed.
-- Returns [{wave, reason, chosenSms, members}], reason null for those who would be announced or, with chosenSms, enforced.
create or replace function plan_campaign(campaign text, plan jsonb, rules jsonb) returns jsonb
  language plpgsql stable
as $$
declare
  at timestamptz := challenge_now();
  today date := tokyo_day(at);
  adult_age int := (rules->>'adultAge')::int;
  sms_countries text[] := rule_list(rules, 'smsCountries');
  refused_prefixes text[] := rule_list(rules, 'smsRefusedPrefixes');
  -- Of waves 1, 2, …; the last bound ends the last wave.
  bounds int[] := 0 || array(
    select round((w->>'percent')::numeric * 100)::int from jsonb_array_elements(plan->'waves') with ordinality o (w, n)
    order by n);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'wave', wave, 'reason', reason, 'chosenSms', chose_sms, 'members', members) order by wave, reason nulls first, chose_sms), '[]')
    from (
      select wave, reason, reason is null and chose_sms as chose_sms, count(*) as members
      from (
        select
          width_bucket(cohort(campaign, m.member_id), bounds) as wave,
          coalesce(
            ineligibility(m.status, m.family_card, m.birth_date, effective_phone(m, d), effective_phone_country(m, d),
              is_unreachable(r, effective_phone(m, d)), today, adult_age, sms_countries, refused_prefixes),
            case when x.until > at then 'exempt' end) as reason,
          effective_preference(m, d) = 'sms' or e.member_id is not null as chose_sms
        from members m
        left join destinations d on d.member_id = m.member_id
        left join reachability r on r.member_id = m.member_id
        left join exemptions x on x.member_id = m.member_id
        left join enrollments e on e.member_id = m.member_id
        where m.status <> 'erased'
        -- Judged once for each, before they are counted.
        offset 0
      ) judged
      where wave < cardinality(bounds)
      group by 1, 2, 3
    ) counted);
end
$$;
