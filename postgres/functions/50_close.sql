-- C11: one statement closes a challenge and returns the outcome that stands.
--
-- `expired` closes only what is past its time by the judging clock, and says else how long is left. `cancelled` becomes
-- `superseded` where a newer challenge stands, and `expired` at or after its time. Returns null for an unknown challenge,
-- else {challenge, remainingMs?}.
create or replace function close_challenge(
  challenge uuid, as_outcome text, why text, what_to_do text, policy jsonb, from_workflow boolean
) returns jsonb
  language plpgsql volatile
as $$
declare
  c challenges;
  at timestamptz;
begin
  select * into c from challenges where challenge_id = challenge;
  if not found then
    return null;
  end if;
  perform lock_head(c.member_id);
  at := challenge_now();
  select * into c from challenges where challenge_id = challenge;
  if c.outcome is null and as_outcome = 'expired' and at < c.expires_at then
    return jsonb_build_object('challenge', challenge_view(c),
      'remainingMs', ceil(extract(epoch from c.expires_at - at) * 1000));
  end if;
  if c.outcome is null then
    if as_outcome = 'cancelled' and newer_challenge_stands(c, at, policy) then
      c := conclude(c, 'superseded', null, null, from_workflow, at);
    elsif as_outcome = 'cancelled' and at >= c.expires_at then
      c := conclude(c, 'expired', null, null, from_workflow, at);
    else
      c := conclude(c, as_outcome, why, what_to_do, from_workflow, at);
    end if;
  elsif from_workflow and not c.told then
    update challenges set told = true where challenge_id = challenge;
  end if;
  return jsonb_build_object('challenge', challenge_view(c));
end
$$;

-- M1: the member left or was erased. Runs in the consumer's own transaction, after the members were written.
-- Set-based, since a batch may hold thousands: all heads are locked in order, also of members who never had a challenge,
-- so that none is admitted meanwhile.
create or replace function close_withdrawn(member_ids text[]) returns void
  language plpgsql volatile
as $$
declare
  c challenges;
begin
  insert into challenge_heads (member_id) select distinct m from unnest(member_ids) m order by m
  on conflict (member_id) do update set member_id = excluded.member_id;

  for c in select * from challenges where member_id = any(member_ids) and outcome is null order by member_id, seq loop
    perform conclude(c, 'cancelled', 'member_withdrawn', null, false, challenge_now());
  end loop;
  update challenges o
  set destination = null, sms_prefix = null, ip_hash = null, language = null, mobile_carrier = null
  from members m
  where o.member_id = any(member_ids)
    and (o.destination, o.sms_prefix, o.ip_hash, o.language, o.mobile_carrier) is distinct from (null, null, null, null, null)
    and m.member_id = o.member_id and m.status = 'erased';
  -- Whoever comes back is exempted anew; why somebody was, is theirs.
  delete from exemptions x using members m
  where x.member_id = any(member_ids) and m.member_id = x.member_id and m.status = 'erased';
  update campaign_log l set why = null
  from members m
  where l.data->>'memberId' = any(member_ids) and l.why is not null
    and m.member_id = l.data->>'memberId' and m.status = 'erased';
  -- A campaign that stands tells of it when it looks; who comes back is announced to before SMS is mandatory again.
  delete from enrollments e using members m
  where e.member_id = any(member_ids) and m.member_id = e.member_id and m.status = 'erased';
  update campaign_members cm set phone = null
  from members m
  where cm.member_id = any(member_ids) and cm.phone is not null
    and m.member_id = cm.member_id and m.status = 'erased';
  delete from reachability r using members m
  where r.member_id = any(member_ids) and m.member_id = r.member_id and m.status = 'erased';
  delete from page_links l using members m
  where l.member_id = any(member_ids) and m.member_id = l.member_id and m.status = 'erased';
  delete from page_sessions s using members m
  where s.member_id = any(member_ids) and m.member_id = s.member_id and m.status = 'erased';
  delete from destinations d using members m
  where d.member_id = any(member_ids) and m.member_id = d.member_id and m.status = 'erased';
  delete from refused_starts r using members m
  where r.member_id = any(member_ids) and m.member_id = r.member_id and m.status = 'erased';
  delete from member_notices n using members m
  where n.member_id = any(member_ids) and m.member_id = n.member_id and m.status = 'erased';
  update member_unlocks u set why = null
  from members m
  where u.member_id = any(member_ids) and u.why is not null and m.member_id = u.member_id and m.status = 'erased';
  delete from challenge_heads where member_id = any(member_ids) and last_seq = 0;
end
$$;

-- C11, the sweep: closes what is past its time. An admission that no start followed ends as cancelled.
create or replace function close_overdue(policy jsonb, most int) returns integer
  language plpgsql volatile
as $$
declare
  candidate record;
  c challenges;
  at timestamptz;
  closed int := 0;
begin
  for candidate in
    select o.challenge_id, o.member_id from challenges o
    where o.outcome is null
      and coalesce(o.expires_at, o.admitted_at + make_interval(secs => (policy->>'ttlSeconds')::float8)) <= challenge_now()
    order by o.member_id, o.seq limit most
  loop
    perform lock_head(candidate.member_id);
    at := challenge_now();
    select * into c from challenges where challenge_id = candidate.challenge_id;
    if c.outcome is null and c.expires_at <= at then
      perform conclude(c, 'expired', null, null, false, at);
      closed := closed + 1;
    elsif c.outcome is null and c.send_began_at is null then
      perform conclude(c, 'cancelled', 'start_abandoned', null, false, at);
      closed := closed + 1;
    end if;
  end loop;
  return closed;
end
$$;
