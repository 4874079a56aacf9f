-- migrate:up

-- M1: the logs that member events were read from, as epochs: a topic made anew, another cluster, or partitions that were
-- added begin one (docs/decisions/0014-epochs-of-the-log.md). An event belongs to the newest epoch of its topic whose
-- from_offset it has reached, whenever it is read.
create table member_epochs (
  epoch integer not null,
  topic_id text not null,                 -- the topic's UUID (KIP-516)
  partition integer not null,
  from_offset bigint not null,
  is_begun boolean not null,              -- the beginning was read, and what the group has committed is of this log
  primary key (epoch, partition)
);

alter table members
  add column kafka_epoch integer not null default 1,
  -- The highest version seen in that epoch, where the one that stands is of an earlier epoch and higher.
  add column epoch_version bigint;

-- migrate:down
alter table members drop column kafka_epoch, drop column epoch_version;
drop table member_epochs;
