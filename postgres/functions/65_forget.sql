-- C9, C13, D7: forgets what was kept long enough: an end user's address and an idempotency key after a day, a receipt, and a
-- notice that was sent, after `receipt_days`; links and sessions of pages an hour after their time, and visits with their
-- sessions. At most so many rows of each, so that nobody waits for it long. Returns whether there may be more.
create or replace function forget_old(receipt_days int, most int) returns boolean
  language plpgsql volatile
as $$
declare
  at timestamptz := challenge_now();
  forgotten int;
  is_more boolean;
begin
  update challenges set ip_hash = null
  where challenge_id in (
    select challenge_id from challenges
    where ip_hash is not null and admitted_at < at - interval '24 hours' limit most for update skip locked);
  get diagnostics forgotten = row_count;
  is_more := forgotten = most;
  delete from idempotency_keys
  where ctid = any(array(select ctid from idempotency_keys where created_at < at - interval '24 hours' limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from request_keys
  where ctid = any(array(select ctid from request_keys where created_at < at - interval '24 hours' limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from receipts
  where ctid = any(array(
    select ctid from receipts where received_at < at - make_interval(days => receipt_days) limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  -- One that no provider has answered yet is still to be sent.
  delete from member_notices
  where ctid = any(array(
    select ctid from member_notices
    where changed_at < at - make_interval(days => receipt_days) and state not in ('due', 'sending') limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  delete from page_sessions
  where ctid = any(array(select ctid from page_sessions where expires_at < at - interval '1 hour' limit most));
  get diagnostics forgotten = row_count;
  is_more := is_more or forgotten = most;
  -- The same browser may come again by a link that it spent, while its session lasts.
  delete from page_links l
  where l.ctid = any(array(select ctid from page_links where expires_at < at - interval '2 hours' limit most));
  get diagnostics forgotten = row_count;
  return is_more or forgotten = most;
end
$$;
