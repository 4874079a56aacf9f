-- migrate:up

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

-- It left no record; `unlock_for_support` does.
drop function if exists unlock_member(text);

-- migrate:down
drop table caller_pace, request_keys, member_unlocks;
