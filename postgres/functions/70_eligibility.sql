-- R2: who is excluded from mandatory SMS, and why. `domain/eligibility.ts` says the same; a test holds one against the
-- other. Plain expressions, so that Postgres inlines them into the batches that judge millions.

-- The day on which somebody comes of age; born on 29 February: on 1 March of a year that has none.
create or replace function of_age_on(birth_date date, adult_age int) returns date
  language sql immutable parallel safe
as $$
  select (birth_date + make_interval(years => adult_age))::date
    + (extract(day from birth_date) = 29 and extract(day from birth_date + make_interval(years => adult_age)) = 28)::int
$$;

create or replace function tokyo_day(at timestamptz) returns date
  language sql immutable parallel safe
as $$ select (at at time zone 'Asia/Tokyo')::date $$;

-- The last receipt about that number was negative. Of two in the same second the negative one counts: it comes later.
create or replace function is_unreachable(r reachability, phone text) returns boolean
  language sql immutable parallel safe
as $$
  select coalesce(r.phone = phone and r.failed_at >= coalesce(r.delivered_at, r.failed_at), false)
$$;

-- An SMS may go there, as far as the number tells (C9). `phone ^@ any (…)`: it begins as one of them.
create or replace function sms_allowed(phone text, phone_country text, sms_countries text[], refused_prefixes text[])
  returns boolean
  language sql immutable parallel safe
as $$
  select phone_country = any (sms_countries) and not phone ^@ any (refused_prefixes)
$$;

-- Null for a member who is eligible, else the first reason that excludes them. The number is the effective one.
create or replace function ineligibility(
  status text, family_card boolean, birth_date date, phone text, phone_country text, unreachable boolean,
  today date, adult_age int, sms_countries text[], refused_prefixes text[]
) returns text
  language sql immutable parallel safe
as $$
  select case
    when status <> 'active' then 'withdrawn'
    when family_card then 'family_card'
    -- Whoever was born later than that day is not yet of age: `of_age_on` the other way round, once for a whole batch.
    when birth_date > (today - make_interval(years => adult_age))::date then 'minor'
    when phone is null then 'no_phone'
    when unreachable or phone_country is null or phone_country <> all (sms_countries) or phone ^@ any (refused_prefixes)
      then 'phone_unreachable'
  end
$$;

-- What a rule names as a list, and nothing where it names none.
create or replace function rule_list(rules jsonb, name text) returns text[]
  language sql immutable parallel safe
as $$
  select array(select jsonb_array_elements_text(rules->name))
$$;

-- D2, R2: whether SMS is mandatory for a member right now, whatever the campaign has got round to. A failover does not
-- heed receipts: the negative one that it comes from must not open the way to e-mail (D7); the next challenge does.
-- rules: adultAge, smsCountries, smsRefusedPrefixes
create or replace function sms_mandatory(m members, rules jsonb, heeds_receipts boolean) returns boolean
  language sql stable
as $$
  select sms_mandatory_with(m, e.number, effective_phone_country(m, d), heeds_receipts and exists (
    select from reachability r where r.member_id = m.member_id and is_unreachable(r, e.number)), rules)
  from (select) one
  left join destinations d on d.member_id = m.member_id
  cross join lateral (select effective_phone(m, d) as number) e
$$;

-- The same, had the member this number.
create or replace function sms_mandatory_with(
  m members, phone text, phone_country text, unreachable boolean, rules jsonb
) returns boolean
  language sql stable
as $$
  select exists (select from enrollments e where e.member_id = m.member_id and e.mandatory_since <= challenge_now())
    and not exists (select from exemptions x where x.member_id = m.member_id and x.until > challenge_now())
    and ineligibility(
      m.status, m.family_card, m.birth_date, phone, phone_country, unreachable,
      tokyo_day(challenge_now()), (rules->>'adultAge')::int,
      rule_list(rules, 'smsCountries'), rule_list(rules, 'smsRefusedPrefixes')
    ) is null
$$;

-- R3: 0 to 9999, the same for ever. `campaigns/cohort.ts` computes the same.
create or replace function cohort(campaign text, member text) returns int
  language sql immutable parallel safe
as $$
  select (('x' || left(md5(campaign || ':' || member), 8))::bit(32)::bigint % 10000)::int
$$;

-- R3: `at`, or the end of the quiet hours that it lies in. quiet: {from, to} as 'HH:MM' in Tokyo, or null for none.
create or replace function after_quiet_hours(at timestamptz, quiet jsonb) returns timestamptz
  language sql immutable parallel safe
as $$
  select case
    when quiet is null or jsonb_typeof(quiet) = 'null' then at
    when q.start < q.stop and t.clock >= q.start and t.clock < q.stop then (t.day + q.stop) at time zone 'Asia/Tokyo'
    when q.start > q.stop and t.clock >= q.start then (t.day + 1 + q.stop) at time zone 'Asia/Tokyo'
    when q.start > q.stop and t.clock < q.stop then (t.day + q.stop) at time zone 'Asia/Tokyo'
    else at
  end
  from (select (quiet->>'from')::time as start, (quiet->>'to')::time as stop) q,
    (select (at at time zone 'Asia/Tokyo')::date as day, (at at time zone 'Asia/Tokyo')::time as clock) t
$$;
