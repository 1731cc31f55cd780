"""A real copy, neutralized by Odoo's own command, does no harm and goes away clean."""

from test_lifecycle import traces, uninstall

from house import manifests, odoo
from house.settings import product_addons

PREPARE = """
    INSERT INTO ir_config_parameter (key, value) VALUES
        ('steward.http.allowed_addresses', '10.0.0.0/8'),
        ('steward.vault.url', 'https://vault.example.com'),
        ('steward.contact_id', '2');
    INSERT INTO queue_job (uuid, state, model_name, method_name, name)
        SELECT gen_random_uuid()::text, state, 'steward.status', 'health', state
          FROM unnest(ARRAY['wait_dependencies', 'pending', 'enqueued', 'started',
                            'failed', 'done']) AS state;
    INSERT INTO res_groups_users_rel (gid, uid)
        SELECT res_id, u.id FROM ir_model_data, res_users u
         WHERE module = 'steward' AND name = 'group_agent' AND u.login = 'public';
    INSERT INTO res_users_apikeys (name, user_id, index, key)
        SELECT 'key', id, '12345678', 'hash' FROM res_users
         WHERE login IN ('public', 'admin');
"""


def test_neutralized_copy(databases):
    names = product_addons()
    inner = manifests.ours(names)
    with (
        databases.clone(databases.foundation(names), "bare") as bare,
        databases.clone(databases.template(names), "copy") as copy,
    ):
        before = traces(databases, bare)
        databases.sql(PREPARE, copy)
        odoo.call(
            databases.settings,
            databases.conf,
            *("neutralize", "-d", copy),
            log=databases.settings.data / "log" / f"neutralize-{copy}.log",
            what="neutralizing",
        )

        def ask(query):
            return {row[0] for row in databases.sql(query, copy)}

        assert ask("SELECT state FROM queue_job") == {"cancelled", "failed", "done"}
        assert ask(
            "SELECT key FROM ir_config_parameter WHERE key LIKE 'steward.%'"
        ) == {"steward.contact_id"}
        assert (
            ask(
                "SELECT c.cron_name FROM ir_cron c JOIN ir_model_data d"
                " ON d.model = 'ir.cron' AND d.res_id = c.id"
                " WHERE c.active AND d.module LIKE 'steward%'"
            )
            == set()
        )
        assert ask(
            "SELECT u.login FROM res_users_apikeys k JOIN res_users u"
            " ON u.id = k.user_id"
        ) == {"admin"}
        assert ask(
            "SELECT value FROM ir_config_parameter"
            " WHERE key = 'database.is_neutralized'"
        ) == {"true"}
        # jobs that ended hold no module back, but their rows would
        uninstall(databases, copy, inner)
        left = traces(databases, copy)
    for kind in left:
        new = left[kind] - before[kind] - {"database.is_neutralized"}
        assert new == set(), kind
