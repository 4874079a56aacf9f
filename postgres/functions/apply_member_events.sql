-- M1, M2: applies member events of one partition, at most one for each member, in a single statement. A version of
-- null is a tombstone. The result is that of applying them one by one, whatever was applied before and however often:
--
--   an event      applies when its version is higher than the one that stands; but never below the erasing tombstone
--                 that stands (same epoch and partition, lower offset), so that a late redelivery brings nobody back
--   a tombstone   applies when what stands does not come from the same or a later place in its partition; the member id,
--                 the last version, the epoch, the partition and the offset are all that it leaves
--   of an earlier epoch than what stands, neither applies; of a later one, a tombstone always does
--
-- Where a log is read that holds older events again, a tombstone in it erases up to the version that this log has told of
-- (`epoch_version`), so that the later events in it bring the member back as one pass over it would.
--
-- Rows are locked in the order of member ids, then the heads of the members that are gone (`close_withdrawn`), so that
-- two batches never wait for each other in a circle. While a campaign stands, each member that changed becomes a row of
-- its queue (M4). Returns how many events changed a member.
create or replace function apply_member_events(
  partition integer,
  member_ids text[],
  epochs integer[],
  offsets bigint[],
  versions bigint[],
  statuses text[],
  emails text[],
  phones text[],
  phone_countries text[],
  mobile_carriers text[],
  birth_dates text[],
  family_cards text[],
  countries text[],
  languages text[],
  notification_preferences text[],
  event_times text[]
) returns integer
  language plpgsql
  as $$
declare
  at timestamptz := challenge_now();
  applied integer;
  changed text[];
  gone text[];
begin
  perform pg_advisory_xact_lock_shared(campaign_start_lock());
  if 1 < any (epochs) then
    perform from members where member_id = any (member_ids) order by member_id for update;
    update members as stands set
      kafka_epoch = e.epoch,
      kafka_partition = case when stands.kafka_epoch < e.epoch then apply_member_events.partition else stands.kafka_partition end,
      kafka_offset = case when stands.kafka_epoch < e.epoch then e.kafka_offset else stands.kafka_offset end,
      epoch_version = nullif(e.version, stands.version)
    from unnest(member_ids, epochs, offsets, versions) as e (member_id, epoch, kafka_offset, version)
    where stands.member_id = e.member_id
      and e.version <= stands.version
      and (stands.kafka_epoch < e.epoch or (stands.kafka_epoch = e.epoch and stands.epoch_version < e.version));
  end if;
  with written as (
    insert into members as stands (
      member_id, version, status, email, phone, phone_country, phone_since, mobile_carrier, birth_date, family_card,
      country, language, notification_preference, notification_preference_since, event_time, kafka_epoch, kafka_partition, kafka_offset
    )
    select
      e.member_id, coalesce(e.version, 0), e.status, e.email, e.phone, e.phone_country, told.since, e.mobile_carrier,
      e.birth_date, e.family_card, e.country, e.language, e.notification_preference, told.since,
      e.event_time, e.epoch, apply_member_events.partition, e.kafka_offset
    from unnest(
      member_ids, epochs, offsets, versions, statuses, emails, phones, phone_countries, mobile_carriers, birth_dates::date[],
      family_cards::boolean[], countries, languages, notification_preferences, event_times::timestamptz[]
    ) as e (
      member_id, epoch, kafka_offset, version, status, email, phone, phone_country, mobile_carrier, birth_date,
      family_card, country, language, notification_preference, event_time
    )
    -- A source whose clock is ahead must not outrank the member's own later choice (M2).
    cross join lateral (select case when e.event_time is not null then least(e.event_time, at) end as since) told
    order by e.member_id
    on conflict (member_id) do update set
      version = case
        when excluded.status = 'erased' and stands.kafka_epoch = excluded.kafka_epoch
        then coalesce(stands.epoch_version, stands.version)
        else greatest(stands.version, excluded.version)
      end,
      epoch_version = null,
      status = excluded.status,
      email = excluded.email,
      phone = excluded.phone,
      phone_country = excluded.phone_country,
      phone_since = case
        when excluded.status <> 'erased' and stands.status <> 'erased'
          and stands.phone is not distinct from excluded.phone
        then stands.phone_since
        else excluded.phone_since
      end,
      mobile_carrier = excluded.mobile_carrier,
      birth_date = excluded.birth_date,
      family_card = excluded.family_card,
      country = excluded.country,
      language = excluded.language,
      notification_preference = excluded.notification_preference,
      notification_preference_since = case
        when excluded.status <> 'erased' and stands.status <> 'erased'
          and stands.notification_preference is not distinct from excluded.notification_preference
        then stands.notification_preference_since
        else excluded.notification_preference_since
      end,
      event_time = excluded.event_time,
      kafka_epoch = excluded.kafka_epoch,
      kafka_partition = excluded.kafka_partition,
      kafka_offset = excluded.kafka_offset
    where case
      when excluded.kafka_epoch < stands.kafka_epoch then false
      when excluded.status = 'erased'
        then stands.kafka_epoch < excluded.kafka_epoch
          or stands.kafka_partition <> excluded.kafka_partition
          or stands.kafka_offset < excluded.kafka_offset
      else excluded.version > stands.version and not (
        stands.status = 'erased'
        and stands.kafka_epoch = excluded.kafka_epoch
        and stands.kafka_partition = excluded.kafka_partition
        and excluded.kafka_offset < stands.kafka_offset
      )
    end
    returning member_id, status
  )
  select count(*), array_agg(member_id), array_agg(member_id order by member_id) filter (where status <> 'active')
    into applied, changed, gone
    from written;
  if exists (select from campaigns where state in ('running', 'paused')) then
    insert into campaign_queue (member_id) select unnest(changed);
  end if;
  if gone is not null then
    perform close_withdrawn(gone);
  end if;
  return applied;
end
$$;
