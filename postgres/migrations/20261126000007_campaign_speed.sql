-- migrate:up

-- A check for each row that its campaign exists took half of the time of a decision. The functions that make these rows
-- hold the campaign's row, and no campaign is ever removed.
alter table campaign_members drop constraint campaign_members_campaign_id_fkey;
alter table campaign_notices drop constraint campaign_notices_campaign_id_fkey;

-- They are for counting whole campaigns, for which Postgres reads the table all the same; and every step of every member
-- had to write them.
drop index campaign_members_by_state, campaign_notices_by_wave;
-- A rollback takes them a batch at a time.
create index campaign_members_enforced on campaign_members (campaign_id) where state = 'enforced';

-- A batch is due at one moment: kept as lists of rows, what was sent could only be passed over once all of a list was.
drop index campaign_notices_due;
create index campaign_notices_due on campaign_notices (campaign_id, due_at) with (deduplicate_items = off)
  where state in ('due', 'sending');

-- In the order of time where the server can: neighbours in the index, however many millions stand before.
do $$
begin
  if current_setting('server_version_num')::int >= 180000 then
    alter table campaign_notices alter notice_id set default uuidv7();
  end if;
end
$$;

-- migrate:down
alter table campaign_notices alter notice_id set default gen_random_uuid();
drop index campaign_members_enforced, campaign_notices_due;
create index campaign_notices_due on campaign_notices (campaign_id, due_at) where state in ('due', 'sending');
create index campaign_members_by_state on campaign_members (campaign_id, wave, state, reason);
create index campaign_notices_by_wave on campaign_notices (campaign_id, wave, kind, state);
alter table campaign_members add foreign key (campaign_id) references campaigns;
alter table campaign_notices add foreign key (campaign_id) references campaigns;
