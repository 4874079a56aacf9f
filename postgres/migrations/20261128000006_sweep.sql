-- migrate:up

-- C11: what the sweep could do nothing about is looked at again later. Counted anew from the challenge's end.
alter table challenges
  add sweep_tries smallint not null default 0,
  add sweep_after timestamptz;          -- not before; 'infinity' while open: its execution knows that the message failed

-- Executions that were not told of their outcome: those not tried yet, and those that are due again. Apart, so that neither
-- has to be passed over to find the other.
drop index challenges_untold;
create index challenges_untold on challenges (closed_at) where outcome is not null and not told and sweep_tries = 0;
create index challenges_untold_again on challenges (sweep_after)
  where outcome is not null and not told and sweep_tries > 0;

-- By which what was kept long enough is found (postgres/functions/65_forget.sql), in the order of time. A row leaves the first
-- one with its address.
create index challenges_with_ip on challenges (admitted_at) where ip_hash is not null;
create index member_unlocks_by_age on member_unlocks (at);
create index outbox_replays_done on outbox_replays (done_at);
create index exemptions_by_end on exemptions (until);

-- Room in each page for the next versions of its rows: a change that touches no indexed column then writes no index, and its
-- garbage is swept up by whoever next reads the page.
--
-- Stamped and sent right after its insert: two such changes, before the outcome, which does change indexes.
alter table challenges set (fillfactor = 85);
-- Changed with each admission, opening and wrong attempt; one narrow index.
alter table challenge_heads set (fillfactor = 70);
-- Moves through its states; only the first and the last of them change an index.
alter table campaign_notices set (fillfactor = 85);
alter table campaign_members set (fillfactor = 85);
-- A row or two, changed by every send, or by every call of a caller.
alter table provider_pace set (fillfactor = 10);
alter table caller_pace set (fillfactor = 10);

-- By default a table is vacuumed once a fifth of it is garbage: of five million rows a million, that every search passes over.
-- Where the table is large and changes at its young or its old end, a hundredth.
alter table challenges set (
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02);
alter table challenge_heads set (autovacuum_vacuum_scale_factor = 0.02);
alter table attempts set (autovacuum_vacuum_scale_factor = 0.02);
alter table receipts set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table outbox_sent set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table idempotency_keys set (autovacuum_vacuum_scale_factor = 0.02);
alter table request_keys set (autovacuum_vacuum_scale_factor = 0.02);
alter table campaign_notices set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
alter table campaign_members set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- Queues: empty most of the time, and all garbage after a rush. Their size says nothing, the number of rows that went does.
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
alter table campaign_queue set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
alter table member_notices set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- Whatever an open snapshot kept from being swept up at once.
alter table provider_pace set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table caller_pace set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- migrate:down
drop index exemptions_by_end, outbox_replays_done, member_unlocks_by_age, challenges_with_ip, challenges_untold_again,
  challenges_untold;
create index challenges_untold on challenges (closed_at) where outcome is not null and not told;
alter table challenges drop sweep_after, drop sweep_tries;
