-- What Steward's ground floor does to a copy of production; see docs/neutralize.md.
-- Plain SQL, because no registry may be loaded before it ran. It may run twice, and it
-- takes nothing away that an uninstall would miss.

-- jobs: queue_job has no neutralize.sql of its own
UPDATE queue_job
   SET state = 'cancelled',
       date_cancelled = now() AT TIME ZONE 'utc',
       result = 'Cancelled: this database is a neutralized copy.'
 WHERE state IN ('wait_dependencies', 'pending', 'enqueued', 'started');

-- scheduled actions of the suite, whatever Odoo itself does about the others
UPDATE ir_cron
   SET active = false
 WHERE id IN (SELECT res_id
                FROM ir_model_data
               WHERE model = 'ir.cron'
                 AND (module = 'steward' OR module LIKE 'steward\_%'));

-- Agents: their keys and passwords work no longer, here as little as in production
WITH RECURSIVE agent_group AS (
    SELECT res_id AS id
      FROM ir_model_data
     WHERE module = 'steward' AND name = 'group_agent' AND model = 'res.groups'
     UNION
    SELECT implied.gid
      FROM res_groups_implied_rel implied
      JOIN agent_group ON implied.hid = agent_group.id
), agent AS (
    SELECT member.uid AS id
      FROM res_groups_users_rel member
      JOIN agent_group ON member.gid = agent_group.id
), keys AS (
    DELETE FROM res_users_apikeys WHERE user_id IN (SELECT id FROM agent)
)
UPDATE res_users SET password = NULL WHERE id IN (SELECT id FROM agent);

-- parameters that hold addresses, permissions to call them, or references to secrets
DELETE FROM ir_config_parameter
 WHERE key LIKE 'steward.http.%'
    OR key LIKE 'steward.vault.%'
    OR key LIKE 'steward.secret.%'
    OR key ~ '^steward\..*(url|uri|host|address|endpoint|token|key|password)s?$';

-- links by which others start automations here: those of production stay production's
UPDATE base_automation SET webhook_uuid = gen_random_uuid()::text
 WHERE webhook_uuid IS NOT NULL;

-- tokens signed by the copy are worth nothing in production, and the other way round
UPDATE ir_config_parameter SET value = gen_random_uuid()::text
 WHERE key = 'database.secret';

-- a settings form keeps what it showed until the vacuum comes
DELETE FROM res_config_settings;

-- secrets: the reference leads nowhere, and what was tested was production's
UPDATE steward_secret
   SET reference = 'env:STEWARD_NEUTRALIZED',
       scheme = 'env',
       last_test_at = NULL,
       last_test_ok = NULL,
       last_test_message = NULL;

-- runners: none works for a copy; what production still waits for is done there, and
-- what was done tells where backups are and where their keys are kept
DELETE FROM steward_operation WHERE state IN ('queued', 'running');
UPDATE steward_operation SET arguments = NULL, result = NULL, detail = NULL;
DELETE FROM steward_runner;

-- hooks: an address of production leads into production alone
UPDATE steward_hook SET token_hash = NULL;
