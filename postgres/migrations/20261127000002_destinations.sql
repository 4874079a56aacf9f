-- migrate:up

-- M2: what members set themselves on our pages, apart from `members`, which only the consumer writes. What counts of the
-- two is computed (`effective_phone`, `effective_preference`).
create table destinations (
  member_id text primary key,
  version integer not null,            -- of this row: a form that was drawn before a change is told from one after it
  phone text,                          -- E.164: a code that was sent there was entered; null where only a choice was made
  phone_country text,                  -- ISO 3166-1 alpha-2 of that number
  phone_since timestamptz,             -- when it was set
  choice text check (choice in ('sms', 'email')),
  choice_since timestamptz,
  check ((phone is null) = (phone_since is null) and (phone is null) = (phone_country is null)),
  check ((choice is null) = (choice_since is null))
);

-- M2: time of the event that last changed the number; null for members who have not changed since before there was any
-- number of our own to compare with.
alter table members add column phone_since timestamptz;

-- P2: notices of a change, each to one destination, each once. A row holds where to and what about only until its
-- provider has answered.
create table member_notices (
  notice_id uuid primary key default gen_random_uuid(), -- the message's reference, which its receipts carry
  member_id text not null,
  -- phone: a number was registered; sms, email: that is where codes go from now on
  kind text not null check (kind in ('phone', 'sms', 'email')),
  channel text not null check (channel in ('sms', 'email')),
  destination text,
  new_phone text,                      -- which the text names, masked
  mobile_carrier text,
  changed_at timestamptz not null,
  -- due: to be sent; sending: in hand until `due_at`, and due again after it; accepted, refused: the provider's answer;
  -- dropped: no longer to be sent
  state text not null check (state in ('due', 'sending', 'accepted', 'refused', 'dropped')),
  due_at timestamptz not null,
  tries integer not null default 0,
  provider text,
  message_id text
);
create index member_notices_due on member_notices (due_at) where state in ('due', 'sending');
create index member_notices_by_member on member_notices (member_id);
create index member_notices_by_age on member_notices (changed_at);

-- migrate:down
drop table member_notices;
alter table members drop column phone_since;
drop table destinations;
