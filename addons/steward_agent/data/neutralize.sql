-- What the agents' addon does to a copy of production; see docs/neutralize.md.

-- agents of a copy do not act: no schedule, no webhooks, no rules that start them
UPDATE steward_agent SET schedule_on = false, next_run = NULL;
UPDATE steward_webhook SET active = false, url = 'https://neutralized.invalid';
UPDATE ir_act_server SET steward_agent_id = NULL, state = 'code', code = NULL
 WHERE state = 'steward_agent';
DELETE FROM steward_agent_import;
