-- migrate:up

-- U4: events that the broker has, kept for a while so that they can be sent again (`forget_sent`). A row stands in the
-- outbox or here, never in both. Found by their time alone, so that the relay keeps one index and no more.
create table outbox_sent (
  id bigint not null,
  event_id uuid not null,
  type text not null,
  subject text not null,
  data jsonb not null,
  occurred_at timestamptz not null
);
create index outbox_sent_by_age on outbox_sent (occurred_at);

-- What operators asked to have sent again. The relay carries it out between two of its batches.
create table outbox_replays (
  replay_id uuid primary key,
  from_time timestamptz not null,    -- events that occurred at this time or later,
  to_time timestamptz,               -- and before this one, if any
  member_id text,                    -- of this member, or of all
  asked_by text not null,
  asked_at timestamptz not null,
  done_at timestamptz,
  events bigint                      -- how many go out again
);
create index outbox_replays_asked on outbox_replays (asked_at) where done_at is null;

-- migrate:down
drop table outbox_replays, outbox_sent;
