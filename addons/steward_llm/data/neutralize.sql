-- What the models' addon does to a copy of production; see docs/neutralize.md.

-- no provider can be reached: there is no address, no key, and it is archived; what
-- runs inside Odoo itself (kind "local") has none of that and stays
UPDATE steward_provider
   SET base_url = NULL,
       secret_id = NULL,
       last_test_at = NULL,
       last_test_ok = NULL,
       last_test_message = NULL;
UPDATE steward_provider SET active = false WHERE kind <> 'local';

-- budgets: the calls that reserved are production's, and settle there
DELETE FROM steward_reservation;
UPDATE steward_budget_period SET reserved = 0 WHERE reserved <> 0;
