from . import res_config_settings
from . import steward
from . import steward_http
from . import steward_secret
