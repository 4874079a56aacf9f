-- R6, C13: a command with the idempotency key of whoever called us. `command_id` is the key, apart for each caller;
-- `request_hash` tells another request under the same key. A command that changed nothing leaves no entry in the log, so
-- its key is free again.
-- Returns what `command_campaign` does, or 'idempotency_key_reused'.
create or replace function command_campaign_once(campaign text, command_id text, request_hash text, command jsonb)
  returns text
  language plpgsql volatile
as $$
begin
  perform from campaigns where campaign_id = campaign for update;
  if exists (
    select from campaign_log l
    -- A hash of 64 digits stands behind each key.
    where left(l.command_id, -65) = command_campaign_once.command_id
      and l.command_id <> command_campaign_once.command_id || '#' || request_hash
  ) then
    return 'idempotency_key_reused';
  end if;
  return command_campaign(campaign, command_campaign_once.command_id || '#' || request_hash, command);
end
$$;
