-- Any number that nothing else in this database locks.
create or replace function member_epochs_lock() returns bigint language sql immutable as $$ select 7019604208 $$;

-- M1: the epochs of the topic that is read now, a new one where it is not the one that was read last, or has more
-- partitions. For each partition: where it ends, and what the group has committed, negative for nothing.
--
--   a topic that was never read        its events are newer than all that were read before
--   one that was read, and not last    so are those that the group has not read of it
--   partitions were added              so are those of the new ones, and those of the others from their ends on: members
--                                      whose partition changed have nothing newer in their former one
create or replace function enter_member_epoch(
  read_topic text,
  partitions integer[],
  ends bigint[],
  committed bigint[]
) returns setof member_epochs
  language plpgsql
  as $$
declare
  last integer;
begin
  perform pg_advisory_xact_lock(member_epochs_lock());
  select coalesce(max(epoch), 0) into last from member_epochs;
  insert into member_epochs (epoch, topic_id, partition, from_offset, is_begun)
  select
    last + 1, read_topic, now_read.partition,
    case
      when not exists (select from member_epochs e where e.topic_id = read_topic and e.partition = now_read.partition) then 0
      when exists (select from member_epochs e where e.epoch = last and e.topic_id = read_topic) then now_read.ended
      else greatest(now_read.committed, 0)
    end,
    exists (
      select from member_epochs e where e.topic_id = read_topic and e.partition = now_read.partition and e.is_begun
    )
  from unnest(partitions, ends, committed) as now_read (partition, ended, committed)
  where exists (
    select from unnest(partitions) as p (partition)
    where not exists (
      select from member_epochs e where e.epoch = last and e.topic_id = read_topic and e.partition = p.partition
    )
  );
  return query select * from member_epochs e where e.topic_id = read_topic;
end
$$;
