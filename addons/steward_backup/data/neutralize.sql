-- What the backups' addon does to a copy of production; see docs/neutralize.md.

-- no plan runs here: nothing may overwrite or prune production's backups
UPDATE steward_backup_plan
   SET active = false,
       next_run = NULL,
       next_drill = NULL,
       key_id = NULL;

DELETE FROM steward_backup_plan_old_key_rel;

-- no storage can be reached: there is no address, no key, and it is archived
UPDATE steward_storage
   SET active = false,
       path = NULL,
       endpoint = NULL,
       bucket = NULL,
       prefix = NULL,
       repository = NULL,
       access_key_id = NULL,
       secret_key_id = NULL,
       password_id = NULL,
       last_test_message = NULL;

-- what is listed is production's: it cannot be restored or removed from here
UPDATE steward_backup
   SET path = NULL,
       is_there = false,
       is_good = false,
       export_path = NULL,
       exported_at = NULL,
       encryption_key = NULL,
       key_id = NULL;
UPDATE steward_backup SET state = 'cancelled' WHERE state IN ('queued', 'running');
UPDATE steward_drill
   SET state = 'cancelled', outcome = 'unknown'
 WHERE state IN ('queued', 'running');
UPDATE steward_backup_alarm
   SET is_open = false, ended_at = now() AT TIME ZONE 'utc'
 WHERE is_open;
