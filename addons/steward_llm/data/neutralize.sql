-- What the models' addon does to a copy of production; see docs/neutralize.md.

-- budgets: the calls that reserved are production's, and settle there
DELETE FROM steward_reservation;
UPDATE steward_budget_period SET reserved = 0 WHERE reserved <> 0;
