-- C3, C5–C8: `judge`. Writes the attempt, the verdict, and on success the outcome and its event, in one statement.
--
-- `matches` is what the caller found by comparing the submitted code with the derived ones, in constant time: 'code',
-- 'older' (it was right for a superseded challenge of the last minutes) or 'none'. The same attempt id gets the same
-- verdict and counts once. While the code only waits to be sent nobody can have it: `not_sent_yet`, also for who guesses
-- right, and it costs no attempt (C4). `from_workflow`: the answer goes to the challenge's own execution, which needs no telling.
--
-- returns null for an unknown challenge, else {result, attemptsLeft, verifiedAt?, newestSentAt?, challenge, closedNow}
create or replace function judge(
  challenge uuid, attempt text, matches text, policy jsonb, from_workflow boolean
) returns jsonb
  language plpgsql volatile
as $$
declare
  max_attempts int := (policy->>'maxAttempts')::int;
  lock_every int := (policy->>'lockEveryFailures')::int;
  head challenge_heads;
  c challenges;
  known attempts;
  at timestamptz;
  result text;
  was_open boolean;
begin
  select * into c from challenges where challenge_id = challenge;
  if not found then
    return null;
  end if;
  head := lock_head(c.member_id);
  at := challenge_now();
  select * into c from challenges where challenge_id = challenge;
  was_open := c.outcome is null;

  select * into known from attempts a where a.challenge_id = challenge and a.attempt_id = attempt;
  if found then
    result := known.verdict;
  elsif not was_open then
    result := case c.outcome when 'verified' then 'already_used' else c.outcome end;
  elsif at >= c.expires_at then
    c := conclude(c, 'expired', null, null, from_workflow, at);
    result := 'expired';
  elsif c.submissions >= (policy->>'maxSubmissions')::int then
    c := conclude(c, 'attempts_exhausted', null, null, from_workflow, at);
    result := 'attempts_exhausted';
  else
    if head.locked_until > at then
      result := 'locked';
    elsif matches = 'older' then
      result := 'older_code';
    elsif is_unsent(c) then
      result := 'not_sent_yet';
    elsif matches = 'code' and head.newest_challenge_id = challenge then
      result := 'verified';
    else
      result := 'wrong_code';
    end if;

    update challenges
    set submissions = submissions + 1, attempts = attempts + (result = 'wrong_code')::int
    where challenge_id = challenge
    returning * into c;
    insert into attempts values (challenge, attempt, result, max_attempts - c.attempts, at);

    if result = 'verified' then
      c := conclude(c, 'verified', null, null, from_workflow, at);
      update challenge_heads set failures = 0, locked_until = null where member_id = c.member_id and failures > 0;
    elsif result = 'wrong_code' then
      update challenge_heads
      set failures = failures + 1,
          locked_until = case
            when failures + 1 >= (policy->>'lockForGoodFailures')::int then 'infinity'
            when (failures + 1) % lock_every = 0 then at + make_interval(secs => least(
              (policy->>'lockMaxSeconds')::float8,
              (policy->>'lockSeconds')::float8 * 2 ^ ((failures + 1) / lock_every - 1)))
            else locked_until end
      where member_id = c.member_id;
      if c.attempts >= max_attempts then
        c := conclude(c, 'attempts_exhausted', null, null, from_workflow, at);
      end if;
    end if;
  end if;

  return jsonb_strip_nulls(jsonb_build_object(
    'result', result,
    'attemptsLeft', coalesce(known.attempts_left, greatest(max_attempts - c.attempts, 0)),
    'verifiedAt', case when result = 'verified' then c.closed_at end,
    'newestSentAt', case when result = 'older_code' then c.sent_at end))
    || jsonb_build_object('challenge', challenge_view(c), 'closedNow', was_open and c.outcome is not null);
end
$$;
