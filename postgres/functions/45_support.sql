-- U1: what support sees of a member, and the one thing that it does.

-- A member as the ledgers know them, with their newest challenges; null for who is not known, or was erased. Where codes
-- go is read where challenges are admitted.
create or replace function support_view(member text, most_challenges int) returns jsonb
  language sql stable
as $$
  select jsonb_build_object(
    'status', m.status,
    'failures', coalesce(h.failures, 0),
    'isLocked', coalesce(h.locked_until > challenge_now(), false),
    'lockedUntil', case when h.locked_until > challenge_now() and isfinite(h.locked_until) then h.locked_until end,
    'mandatorySince', (select e.mandatory_since from enrollments e where e.member_id = m.member_id),
    'exemption', (
      select jsonb_build_object('until', x.until, 'by', x.by_whom, 'claimed', x.claimed, 'why', x.why, 'at', x.created_at)
      from exemptions x where x.member_id = m.member_id and x.until > challenge_now()),
    'unlocked', (
      select jsonb_build_object('at', u.at, 'by', u.by_whom, 'why', u.why)
      from member_unlocks u where u.member_id = m.member_id order by u.at desc limit 1),
    'refusedStarts', coalesce((
      select jsonb_agg(jsonb_build_object('purpose', r.purpose, 'caller', r.caller, 'reason', r.reason, 'at', r.at) order by r.at desc)
      from refused_starts r where r.member_id = m.member_id), '[]'),
    'challenges', coalesce((
      select jsonb_agg(challenge_view(c) order by c.admitted_at desc)
      from (
        select * from challenges c where c.member_id = m.member_id and c.seq is not null
        order by c.seq desc limit most_challenges) c), '[]'))
  from members m left join challenge_heads h using (member_id)
  where m.member_id = member and m.status <> 'erased'
$$;

-- C7: an operator gives a locked member their attempts back. Recorded with who and why, and told of (U4); the event says
-- nothing of the reason, which is about a person. Where there is nothing to forgive it changes nothing.
--
-- request: memberId, by, why, requestKey?, requestHash?
-- returns: {kind: 'done', isUnlocked, at} | {kind: 'unknown_member' | 'idempotency_key_reused'}
create or replace function unlock_for_support(request jsonb) returns jsonb
  language plpgsql volatile
as $$
declare
  member text := request->>'memberId';
  key text := request->>'requestKey';
  claim request_keys;
  head challenge_heads;
  at timestamptz;
  is_unlocked boolean;
  answer jsonb;
begin
  if key is not null then
    claim := claim_request_key(key, request->>'requestHash');
    if claim.request_hash <> request->>'requestHash' then
      return jsonb_build_object('kind', 'idempotency_key_reused');
    elsif claim.answer is not null then
      return claim.answer;
    end if;
  end if;
  perform from members m where m.member_id = member and m.status <> 'erased';
  if not found then
    perform settle_request_key(key, null);
    return jsonb_build_object('kind', 'unknown_member');
  end if;
  select * into head from challenge_heads h where h.member_id = member for update;
  at := challenge_now();
  is_unlocked := coalesce(head.failures > 0 or head.locked_until is not null, false);
  answer := jsonb_build_object('kind', 'done', 'isUnlocked', is_unlocked, 'at', at);
  if is_unlocked then
    update challenge_heads set failures = 0, locked_until = null where member_id = member;
    insert into member_unlocks (member_id, at, by_whom, why, failures, locked_until)
    values (member, at, request->>'by', request->>'why', head.failures, head.locked_until);
    insert into outbox (type, subject, data, occurred_at)
    values ('otp.member.unlocked', member, jsonb_build_object('memberId', member, 'by', request->>'by', 'unlockedAt', at), at);
    perform pg_notify('outbox', '');
  end if;
  perform settle_request_key(key, answer);
  return answer;
end
$$;
