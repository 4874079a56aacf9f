-- migrate:up

-- What a receipt is about is a message, by the reference that the message carried: a challenge's id, or a notice's.
alter table receipts rename column challenge_id to reference;
alter index receipts_by_challenge rename to receipts_by_reference;
-- `create or replace` cannot rename an argument.
drop function if exists apply_receipts(text, text[], text[], text[], text[], text[], text[]);

-- migrate:down
alter index receipts_by_reference rename to receipts_by_challenge;
alter table receipts rename column reference to challenge_id;
drop function if exists apply_receipts(text, text[], text[], text[], text[], text[], text[]);
