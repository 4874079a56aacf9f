-- M2: what counts of what the member events say (`members`) and what the member set on our pages (`destinations`): of each
-- field the later of the two. An event counts from the time of the one that last changed the field, so that one which
-- tells of something else takes nothing back. Mandatory SMS stands above the preference (D2).
--
-- Wherever a number or a preference decides, it comes from here. Plain expressions, so that Postgres inlines them into
-- the batches that judge millions; `d` is the null row for a member who has set nothing.

-- Null counts as false.
create or replace function phone_is_own(m members, d destinations) returns boolean
  language sql immutable parallel safe
as $$
  select d.phone_since >= coalesce(m.phone_since, '-infinity')
$$;

create or replace function effective_phone(m members, d destinations) returns text
  language sql immutable parallel safe
as $$ select case when phone_is_own(m, d) then d.phone else m.phone end $$;

create or replace function effective_phone_country(m members, d destinations) returns text
  language sql immutable parallel safe
as $$ select case when phone_is_own(m, d) then d.phone_country else m.phone_country end $$;

-- Of a number that only the member told us nobody knows the carrier.
create or replace function effective_carrier(m members, d destinations) returns text
  language sql immutable parallel safe
as $$ select case when phone_is_own(m, d) and d.phone is distinct from m.phone then null else m.mobile_carrier end $$;

create or replace function effective_preference(m members, d destinations) returns text
  language sql immutable parallel safe
as $$
  select case when d.choice_since >= coalesce(m.notification_preference_since, '-infinity')
    then d.choice else m.notification_preference end
$$;
