-- migrate:up

-- The clock that judges (C4). clock_timestamp(), not now(): a statement that waited for a row lock judges by the time
-- at which it holds it. Tests replace this function to shift time; nothing else may.
create function challenge_now() returns timestamptz
  language sql volatile parallel safe
  as $$ select clock_timestamp() $$;

-- M1, M2: the newest state of each member, as the member events tell it. Only the member consumer writes here.
create table members (
  member_id text primary key,
  version bigint not null,
  status text not null check (status in ('active', 'withdrawn', 'erased')),
  email text,
  phone text,                        -- E.164, mobile numbers only; anything else counts as no phone
  phone_country text,                -- ISO 3166-1 alpha-2 of that number
  mobile_carrier text,
  birth_date date,
  family_card boolean,
  country text,                      -- of residence, ISO 3166-1 alpha-2
  language text,
  notification_preference text check (notification_preference in ('email', 'sms')),
  notification_preference_since timestamptz, -- time of the event that last changed that field (M2)
  phone_since timestamptz,           -- the same of the number
  event_time timestamptz,
  kafka_partition integer not null,  -- where the last applied event stood: an erased member keeps only these
  kafka_offset bigint not null
);

-- One row a member who ever asked for a code: the row lock under which all of a member's challenges are decided, and
-- what outlives a challenge (C2, C7).
create table challenge_heads (
  member_id text primary key,
  last_seq bigint not null default 0,       -- the last sequence number admitted
  newest_challenge_id uuid,                 -- the last challenge opened: the only one whose code is accepted (C3)
  failures integer not null default 0,      -- consecutive wrong attempts over all challenges
  locked_until timestamptz                  -- 'infinity': until an operator unlocks
);

-- Status is derived, not stored: outcome, else `open` once sent, else `sending`.
create table challenges (
  challenge_id uuid primary key,
  member_id text not null,
  seq bigint,                        -- per member; null for one refused in the workflow: it was never admitted
  purpose text not null,
  caller text not null,              -- the API caller, or 'temporal'
  chain_id uuid not null,            -- the first challenge of a chain of resends (C14)
  continues uuid,                    -- the challenge that this one continues
  run_id text,                       -- the workflow run that opened it
  channel text check (channel in ('sms', 'email')),
  destination text,                  -- phone number or e-mail address; erased with the member
  language text,
  mobile_carrier text,
  sms_prefix text,
  ip_hash bytea,                     -- HMAC of the end user's address, for 24 h (C9)
  key_id text,                       -- the master key, and the nonce, that the code is derived from (C10)
  nonce bytea,
  admitted_at timestamptz not null,
  send_began_at timestamptz,         -- opened and stamped: the first request to a provider begins
  expires_at timestamptz,
  sent_at timestamptz,               -- a provider accepted the message
  provider text,
  provider_message_id text,
  failed_over_from text check (failed_over_from in ('sms', 'email')), -- the channel that was given up (D6), once
  attempts integer not null default 0,
  submissions integer not null default 0,
  outcome text check (outcome in ('verified', 'expired', 'superseded', 'cancelled', 'attempts_exhausted', 'undeliverable', 'refused')),
  reason text,                       -- why undeliverable, refused or cancelled
  advice text,                       -- what the member should do: update_email, register_phone, contact_center
  closed_at timestamptz,
  told boolean not null default false, -- the workflow knows the outcome
  traceparent text,                  -- where its start stands in its caller's trace (O4); ids, nothing else
  unique (member_id, seq)
);
create index challenges_by_destination on challenges (destination, admitted_at desc) where destination is not null;
create index challenges_by_ip on challenges (ip_hash, admitted_at desc) where ip_hash is not null;
create index challenges_by_sms_prefix on challenges (sms_prefix, admitted_at desc) where sms_prefix is not null;
create index challenges_open on challenges (admitted_at) where outcome is null;
create index challenges_untold on challenges (closed_at) where outcome is not null and not told;
-- By which destinations that were kept long enough are found; a row leaves it when its destination does.
create index challenges_with_destination on challenges (admitted_at) where destination is not null;
-- A Temporal client chooses its challenge's id. Where that is a day later than the admission (a UUID of another version, or of
-- a time to come), the order of ids does not tell the age: forget_ledgers finds these few here, by the same expression.
create index challenges_with_later_id on challenges (admitted_at) where challenge_id >
  (lpad(to_hex((extract(epoch from admitted_at at time zone 'UTC') * 1000)::bigint + 86400000), 12, '0')
    || '70008000000000000000')::uuid;

-- C5: each submission that was judged on an open challenge. The same attempt id gets the same verdict.
create table attempts (
  challenge_id uuid not null references challenges on delete cascade,
  attempt_id text not null,
  verdict text not null,
  attempts_left integer not null,
  judged_at timestamptz not null,
  primary key (challenge_id, attempt_id)
);

-- C13
create table idempotency_keys (
  caller text not null,
  key text not null,
  request_hash bytea not null,
  challenge_id uuid not null,
  created_at timestamptz not null,
  primary key (caller, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- U4: the transactional outbox. Rows of one member are written under that member's head lock, so their ids are in
-- order; the relay sends them to `otp-events` keyed by member, then removes them.
create table outbox (
  id bigint generated always as identity primary key,
  event_id uuid not null default gen_random_uuid(),
  type text not null,
  subject text not null,             -- the key of the event: a member, or a campaign
  data jsonb not null,
  occurred_at timestamptz not null
);

-- migrate:down
drop table outbox, idempotency_keys, attempts, challenges, challenge_heads, members;
drop function challenge_now();
