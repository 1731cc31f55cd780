from . import steward_backup_restoring
from . import steward_backup_what_if
