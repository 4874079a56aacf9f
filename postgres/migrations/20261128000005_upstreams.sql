-- migrate:up

-- C13: what came under an Idempotency-Key, for the calls that start no challenge; for a day.
create table request_keys (
  request_key text primary key,      -- apart for each caller and operation
  request_hash text not null,
  answer jsonb,                      -- of the first time; no secret is in it
  created_at timestamptz not null
);
create index request_keys_by_age on request_keys (created_at);

-- U1: how fast each caller calls, over all instances of the API. What a crash of Postgres forgets was a second's.
create unlogged table caller_pace (
  caller text primary key,
  next_slot_at timestamptz not null  -- when the next request would be due if all came evenly (GCRA)
);

-- C7, U1: who gave a member their attempts back, and why.
create table member_unlocks (
  unlock_id uuid primary key default gen_random_uuid(),
  member_id text not null,
  at timestamptz not null,
  by_whom text not null,             -- the API caller
  why text,                          -- forgotten with the member
  failures integer not null,         -- how many were forgiven
  locked_until timestamptz           -- 'infinity': the member was locked for good
);
create index member_unlocks_by_member on member_unlocks (member_id, at desc);

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
drop table outbox_replays, outbox_sent, member_unlocks, caller_pace, request_keys;
