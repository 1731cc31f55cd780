from . import (
    ir_ui_menu,
    queue_job,
    res_config_settings,
    res_users,
    steward,
    steward_job_failure,
    steward_status,
)
