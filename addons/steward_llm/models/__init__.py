from . import steward_provider
from . import steward_model
from . import steward_model_fallback
from . import steward_price
from . import steward_usage
from . import steward_status
from . import res_company
from . import res_config_settings
