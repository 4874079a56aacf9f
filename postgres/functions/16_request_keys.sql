-- C13: idempotency keys of the calls that start no challenge.
--
-- Lock order: request key → whatever the call locks.

-- What stands under a key: as it was the first time, or claimed just now, with no answer yet. Whoever comes with the same
-- key meanwhile waits for the first. Of another request it has another hash.
create or replace function claim_request_key(key text, hash text) returns request_keys
  language sql volatile
as $$
  insert into request_keys as k (request_key, request_hash, created_at) values (key, hash, challenge_now())
  on conflict (request_key) do update set request_key = excluded.request_key
  returning k.*
$$;

-- Keeps what was answered. Nothing to keep, as after a refusal: the key is free again.
create or replace function settle_request_key(key text, with_answer jsonb) returns void
  language plpgsql volatile
as $$
begin
  if with_answer is null then
    delete from request_keys where request_key = key;
  else
    update request_keys set answer = with_answer where request_key = key;
  end if;
end
$$;
