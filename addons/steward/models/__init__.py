from . import res_config_settings, steward, steward_http, steward_secret
