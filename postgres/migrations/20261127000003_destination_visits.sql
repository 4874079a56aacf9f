-- migrate:up

-- P2: how far a visit to the page of the notification destination has come. It goes with the visit, and so with the member.
create table destination_visits (
  visit_id uuid primary key references page_visits on delete cascade,
  step_up_id uuid,                   -- of the chain of its `change_membership` challenge
  phone text,                        -- the number that is being registered, until it is set
  phone_country text,
  register_id uuid,                  -- of the chain of the `register_phone` challenge for that number
  changed_at timestamptz,            -- when it last changed something
  check ((phone is null) = (phone_country is null)),
  check (phone is not null or register_id is null)
);

-- migrate:down
drop table destination_visits;
