-- migrate:up

-- A Temporal client chooses its challenge's id. Where that is a day later than the admission (a UUID of another version, or of
-- a time to come), the order of ids does not tell the age: forget_ledgers finds these few here, by the same expression.
create index challenges_with_later_id on challenges (admitted_at) where challenge_id >
  (lpad(to_hex((extract(epoch from admitted_at at time zone 'UTC') * 1000)::bigint + 86400000), 12, '0')
    || '70008000000000000000')::uuid;

-- migrate:down
drop index challenges_with_later_id;
