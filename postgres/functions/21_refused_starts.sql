-- C9: what support can say to a member who asked for a code and got none.

-- Keeps that a start was refused, of a member who is there. The newest `most` of a member are kept, so that a flood of
-- refused starts fills nothing. Locks the member against being erased meanwhile.
create or replace function keep_refused_start(
  member text, for_purpose text, by_caller text, why text, most int
) returns void
  language plpgsql volatile
as $$
begin
  perform from members m where m.member_id = member and m.status = 'active' for share;
  if not found then
    return;
  end if;
  insert into refused_starts (member_id, purpose, caller, reason, at) values (member, for_purpose, by_caller, why, challenge_now());
  delete from refused_starts
  where ctid = any(array(
    select ctid from refused_starts where member_id = member order by at desc offset most));
end
$$;
