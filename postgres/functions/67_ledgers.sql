-- What is kept of challenges and campaigns, and for how long.

-- The first UUIDv7 of a moment: the ids of challenges are in the order of time, so their own index tells their age.
create or replace function uuid_floor(at timestamptz) returns uuid
  language sql immutable
as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Forgets where the codes of closed challenges went after `destination_days`, and the challenges themselves, with their
-- attempts, after `challenge_days`; of campaigns that ended so long ago their members, notices, log and curves, and
-- exemptions that were over by then. Counts of failures, and who must use SMS, are no ledger: they stay with the member.
-- At most so many rows of each, none that is locked. Returns whether there may be more.
create or replace function forget_ledgers(destination_days int, challenge_days int, campaign_days int, most int)
  returns boolean
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  challenges_before timestamptz := at - make_interval(days => challenge_days);
  campaigns_before timestamptz := at - make_interval(days => campaign_days);
  old_campaigns text[];
  forgotten int;
  is_more boolean;
begin
  update challenges set destination = null, sms_prefix = null, mobile_carrier = null
  where challenge_id in (
    select challenge_id from challenges
    where destination is not null and outcome is not null and admitted_at < at - make_interval(days => destination_days)
    order by admitted_at limit most for update skip locked);
  get diagnostics forgotten = row_count;
  is_more := forgotten = most;
  -- By id and time, since the id of a challenge that Temporal's clients started is theirs to choose; then those by time whose
  -- id is later than they are.
  delete from challenges
  where challenge_id in (
    select challenge_id from challenges
    where challenge_id < uuid_floor(challenges_before) and admitted_at < challenges_before and outcome is not null
    order by challenge_id limit most for update skip locked);
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from challenges
  where challenge_id in (
    select challenge_id from challenges
    where challenge_id >
        (lpad(to_hex((extract(epoch from admitted_at at time zone 'UTC') * 1000)::bigint + 86400000), 12, '0')
          || '70008000000000000000')::uuid
      and admitted_at < challenges_before and outcome is not null
    order by admitted_at limit most for update skip locked);
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from member_unlocks
  where ctid = any(array(select ctid from member_unlocks u where u.at < challenges_before limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from outbox_replays where done_at < challenges_before;

  select array_agg(campaign_id) into old_campaigns from campaigns where ended_at < campaigns_before;
  delete from campaign_members
  where ctid = any(array(select ctid from campaign_members where campaign_id = any(old_campaigns) limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from campaign_notices
  where ctid = any(array(select ctid from campaign_notices where campaign_id = any(old_campaigns) limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from campaign_history where campaign_id = any(old_campaigns);
  delete from campaign_log where campaign_id = any(old_campaigns);
  delete from exemptions where until < campaigns_before;
  return is_more;
end
$$;
