-- migrate:up

alter table challenges
  -- C4: the first request whose message the member may have got. Null while the code only waits to be sent, and again where
  -- the provider's answer says for certain that it took nothing (a 429).
  add column asked_at timestamptz,
  -- D2: the caller wants SMS whatever the member prefers, so a pause of the SMS provider moves it to no e-mail.
  add column sms_forced boolean not null default false,
  -- C9: a number that is being registered and is not its member's own yet. It counts against a budget of its own.
  add column foreign_number boolean not null default false;
update challenges set asked_at = send_began_at where outcome is null and send_began_at is not null;

alter table provider_pace
  add column limited_since timestamptz,  -- when the last 429 was told: an answer to a later request is news
  add column probe_by uuid;              -- the challenge that was admitted to probe, and has not asked yet

-- C9: starts that were refused, so that support can say why no code came. No destination stands here.
create table refused_starts (
  member_id text not null,
  purpose text not null,
  caller text not null,
  reason text not null,                  -- one word, as `otp_refusals_total` has it
  at timestamptz not null
);
create index refused_starts_by_member on refused_starts (member_id, at desc);
create index refused_starts_by_age on refused_starts (at);

-- migrate:down
drop table refused_starts;
alter table provider_pace drop column limited_since, drop column probe_by;
alter table challenges drop column asked_at, drop column sms_forced, drop column foreign_number;
