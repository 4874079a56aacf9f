-- migrate:up

-- A rollback takes them a batch at a time: of those who are enforced in a campaign, some were enrolled by an earlier one.
create index enrollments_by_campaign on enrollments (campaign_id);
drop index campaign_members_enforced;

-- migrate:down
create index campaign_members_enforced on campaign_members (campaign_id) where state = 'enforced';
drop index enrollments_by_campaign;
