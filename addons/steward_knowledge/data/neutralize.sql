-- What the knowledge addon does to a copy of production; see docs/neutralize.md.

-- sources: none is harvested by itself, none has an address or a token, and a harvest
-- that went on is production's
UPDATE steward_source
   SET interval = 'manual', next_harvest_at = NULL, secret_id = NULL, url = NULL,
       is_live = false;
DELETE FROM ir_config_parameter WHERE key = 'steward.knowledge.folders';
UPDATE steward_harvest
   SET state = 'cancelled', ended_at = now() AT TIME ZONE 'utc', next_at = NULL,
       reason = 'Cancelled: this database is a neutralized copy.'
 WHERE state IN ('waiting', 'discovering', 'fetching');
