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

-- migrate:down
drop table page_visits, page_sessions, page_links;
