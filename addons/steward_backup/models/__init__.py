from . import steward_operation
from . import steward_storage
from . import steward_backup
from . import steward_backup_plan
from . import steward_drill
from . import steward_backup_alarm
from . import steward_status
from . import steward_dashboard
