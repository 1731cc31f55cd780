import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

const NOW = { label: _t("Open backups"), action: "steward_backup.action_backups" };

registry
    .category("steward.cards")
    .add(
        "backups",
        { title: _t("Backups"), kind: "status", action: "steward_backup.action_backups" },
        { sequence: 45 }
    )
    .add(
        "backup_alarms",
        {
            title: _t("What backups need"),
            kind: "table",
            columns: [
                { name: "severity", title: _t("State"), kind: "status" },
                { name: "sentence", title: _t("What") },
                { name: "since", title: _t("Since"), kind: "moment", secondary: true },
            ],
            action: "steward_backup.action_alarms",
            empty: {
                text: _t("Nothing: no backup is missing, failed or doubtful."),
                ...NOW,
            },
        },
        { sequence: 46 }
    )
    .add(
        "backup_size",
        {
            title: _t("Size of backups"),
            kind: "chart",
            chart: "bar",
            unit: _t("MB"),
            action: "steward_backup.action_usage",
            empty: { text: _t("No backup was made in this period."), ...NOW },
        },
        { sequence: 47 }
    );

registry.category("steward.first_steps").add(
    "backup",
    {
        title: _t("Make a backup"),
        text: _t("One button: the database and its files, written and read back."),
        icon: "fa-database",
        label: _t("Open backups"),
        action: "steward_backup.action_backups",
        groups: "steward.group_operator",
    },
    { sequence: 45 }
);
