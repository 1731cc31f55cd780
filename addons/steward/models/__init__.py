from . import res_config_settings
from . import steward
from . import steward_shared
from . import steward_circuit
from . import steward_pool
from . import steward_rate_limit
from . import steward_http
from . import steward_secret
