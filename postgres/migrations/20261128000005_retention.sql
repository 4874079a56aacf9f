-- migrate:up

-- By which destinations that were kept long enough are found; a row leaves it when its destination does.
create index challenges_with_destination on challenges (admitted_at) where destination is not null;

-- migrate:down
drop index challenges_with_destination;
