-- migrate:up

-- D7: whom a negative receipt blames; null for nobody that is known. `providers/error-codes.ts` says it of every code.
alter table receipts add blames text check (blames in ('destination', 'network', 'sender', 'account'));

-- D7: why the code of a challenge has no other way, where that was decided.
alter table challenges add failover_refused text;

-- D7: a late bounce may name no reference, only the message.
create index challenges_by_message on challenges (provider_message_id) where provider_message_id is not null;

-- Its place is taken by one that is told whom a receipt blames.
drop function if exists apply_receipts(text, text[], text[], text[], text[], text[], text[]);

-- migrate:down
drop index challenges_by_message;
alter table challenges drop failover_refused;
alter table receipts drop blames;
