-- migrate:up

-- R4: a member whose SMS is mandatory. Written by the rollout; read wherever a channel is chosen (D2).
create table enrollments (
  member_id text primary key,
  mandatory_since timestamptz not null,
  campaign_id text
);
-- A rollback takes them a batch at a time: of those who are enforced in a campaign, some were enrolled by an earlier one.
create index enrollments_by_campaign on enrollments (campaign_id);

-- R1: a campaign, and its plan as it was started. One at a time: while one stands, no other starts.
create table campaigns (
  campaign_id text primary key,
  plan jsonb not null,
  state text not null check (state in ('running', 'paused', 'completed', 'aborted')),
  pause_reason text,
  rate_per_minute integer not null,      -- members a minute that are sent a notice; 0 is no limit
  paced_until timestamptz not null,      -- how far that rate is used up
  rolls_back boolean not null default false, -- aborted, and what was enforced is taken back
  started_at timestamptz not null,
  ended_at timestamptz
);
create unique index one_campaign_at_a_time on campaigns ((true)) where state in ('running', 'paused');

-- R3: a wave is the members whose cohort (0 to 9999, `cohort`) lies from `from_cohort` up to, not including, `to_cohort`.
create table campaign_waves (
  campaign_id text not null references campaigns,
  wave integer not null,                 -- 1, 2, …
  from_cohort integer not null,
  to_cohort integer not null,
  opened_at timestamptz,
  cursor text not null default '',       -- the last member looked at: members are taken in the order of their ids
  drawn_at timestamptz,                  -- every member was looked at
  bake_until timestamptz,                -- set once every notice of the wave was sent
  verdict jsonb,                         -- what the gate saw, the last time it judged since the wave began to bake
  passed_at timestamptz,
  primary key (campaign_id, wave)
);

-- R2, R4: where each member stands in a campaign. No foreign key, here and for notices: the check took half of the time of a
-- decision, the functions that make these rows hold the campaign's row, and no campaign is ever removed.
create table campaign_members (
  campaign_id text not null,
  member_id text not null,
  wave integer not null,
  -- awaiting: to be announced; announced: the provider took the announcement, and the date is set; enforced: SMS is
  -- mandatory; released: was announced or enforced, and lost eligibility; rolled_back: was enforced when it was aborted
  state text not null check (state in ('excluded', 'awaiting', 'announced', 'enforced', 'released', 'rolled_back')),
  reason text check (reason in ('family_card', 'minor', 'no_phone', 'phone_unreachable', 'withdrawn', 'exempt')),
  round integer not null default 0,      -- how often the member was to be announced; a new number is a new round
  phone text,                            -- the number of this round's announcement; erased with the member
  reconsider_at timestamptz,             -- when time alone changes the decision: of age, or the exemption over
  taken_at timestamptz not null,
  announced_at timestamptz,
  enforce_at timestamptz,                -- R4: the date that was announced
  enforced_at timestamptz,
  released_at timestamptz,
  primary key (campaign_id, member_id)
);
create index campaign_members_due on campaign_members (campaign_id, enforce_at) where state = 'announced';
create index campaign_members_reconsidered on campaign_members (campaign_id, reconsider_at) where reconsider_at is not null;

-- R2, R4: notices, each once: an announcement for a round, and "please make your own settings" for a member.
create table campaign_notices (
  notice_id uuid primary key default gen_random_uuid(), -- the message's reference, which its receipts carry
  campaign_id text not null,
  member_id text not null,
  kind text not null check (kind in ('announcement', 'own_settings')),
  round integer not null,
  wave integer not null,
  channel text check (channel in ('sms', 'email')), -- once it was sent: where to is looked up right before
  -- due: to be sent; sending: in hand until `due_at`, and due again after it; accepted, refused: the provider's answer;
  -- dropped: no longer to be sent
  state text not null check (state in ('due', 'sending', 'accepted', 'refused', 'dropped')),
  due_at timestamptz not null,
  tries integer not null default 0,
  enforce_at timestamptz,                -- the date that the text names
  accepted_at timestamptz,
  provider text,
  message_id text,
  -- What the provider said last of an announcement, by its own clock: kept here, since receipts are forgotten sooner.
  delivery text check (delivery in ('delivered', 'failed')),
  delivery_at timestamptz,
  unique (campaign_id, member_id, kind, round)
);
-- A batch is due at one moment: kept as lists of rows, what was sent could only be passed over once all of a list was.
create index campaign_notices_due on campaign_notices (campaign_id, due_at) with (deduplicate_items = off)
  where state in ('due', 'sending');
-- In the order of time where the server can: neighbours in the index, however many millions stand before.
do $$
begin
  if current_setting('server_version_num')::int >= 180000 then
    alter table campaign_notices alter notice_id set default uuidv7();
  end if;
end
$$;

-- R6: what happened to a campaign: what operators did, with who and why, and what gates and waves did.
create table campaign_log (
  id bigint generated always as identity primary key,
  campaign_id text not null references campaigns,
  at timestamptz not null,
  event text not null,
  by_whom text not null,
  claimed boolean not null default false, -- nobody has checked who it was
  why text,
  data jsonb,
  command_id text unique                 -- a command that is repeated is recorded once
);
create index campaign_log_by_campaign on campaign_log (campaign_id, id);

-- What the page draws over time.
create table campaign_history (
  campaign_id text not null references campaigns,
  at timestamptz not null,
  counts jsonb not null,                 -- {state: number of members}
  primary key (campaign_id, at)
);

-- M4: members that changed while a campaign stands. A row is removed with the change that it led to; one member may have
-- several, which are dealt with together.
create table campaign_queue (
  id bigint generated always as identity primary key,
  member_id text not null
);

-- R6, R7: support can exempt a member until a date, in every campaign and at the next challenge.
create table exemptions (
  member_id text primary key,
  until timestamptz not null,
  by_whom text not null,
  claimed boolean not null default false,
  why text not null,
  created_at timestamptz not null
);

-- R2: what the last receipts say of the number that a member has. Times are the provider's.
create table reachability (
  member_id text primary key,
  phone text not null,
  delivered_at timestamptz,
  failed_at timestamptz
);

-- migrate:down
drop table reachability, exemptions, campaign_queue, campaign_history, campaign_log, campaign_notices, campaign_members,
  campaign_waves, campaigns, enrollments;
