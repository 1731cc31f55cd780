-- What the skills' addon does to a copy of production; see docs/neutralize.md.

-- what production has not decided yet is decided there, and nobody is asked for it here
UPDATE steward_skill SET state = 'draft', review_since = NULL WHERE state = 'review';
