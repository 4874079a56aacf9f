-- migrate:up

-- It answers more than a number from now on, which `create or replace` cannot change.
drop function if exists apply_receipts(text, text[], text[], text[], text[], text[], text[]);

-- migrate:down
drop function if exists apply_receipts(text, text[], text[], text[], text[], text[], text[]);
