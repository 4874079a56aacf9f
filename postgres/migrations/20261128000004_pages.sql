-- migrate:up

-- P1: a link to a page of a member's, as an upstream asked for it. Its token is known to whoever has the link, and here
-- only by its SHA-256.
create table page_links (
  token_hash bytea primary key,
  member_id text not null,
  page text not null check (page in ('code-entry', 'notification-destination')),
  caller text not null,              -- the upstream that made it
  challenge_id uuid,                 -- code entry: of that challenge, or of one that begins with the visit,
  purpose text,                      -- for this purpose
  return_url text,
  state text,
  locale text,
  expires_at timestamptz not null,
  visit_id uuid                      -- the visit that it began: then it is spent
);
create index page_links_by_member on page_links (member_id);
create index page_links_by_age on page_links (expires_at);

-- A browser in which a member opened a link, by the SHA-256 of its cookie.
create table page_sessions (
  session_hash bytea primary key,
  member_id text not null,
  expires_at timestamptz not null
);
create index page_sessions_by_member on page_sessions (member_id);
create index page_sessions_by_age on page_sessions (expires_at);

-- What one link began in a session.
create table page_visits (
  visit_id uuid primary key,
  session_hash bytea not null references page_sessions on delete cascade,
  member_id text not null,
  page text not null,
  caller text not null,
  return_url text,
  state text,
  locale text,
  purpose text,                      -- of the challenge that begins with it
  challenge_id uuid,                 -- a challenge of the chain whose newest the page shows (C14)
  began_at timestamptz not null
);
create index page_visits_by_session on page_visits (session_hash);

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

-- P2: how far a visit to the page of the notification destination has come. It goes with the visit, and so with the member.
create table destination_visits (
  visit_id uuid primary key references page_visits on delete cascade,
  step_up_id uuid,                   -- of the chain of its `change_membership` challenge
  phone text,                        -- the number that is being registered, until it is set
  phone_country text,
  register_id uuid,                  -- of the chain of the `register_phone` challenge for that number
  changed_at timestamptz,            -- when it last changed something
  check ((phone is null) = (phone_country is null)),
  check (phone is not null or register_id is null)
);

-- migrate:down
drop table destination_visits, member_notices, destinations, page_visits, page_sessions, page_links;
