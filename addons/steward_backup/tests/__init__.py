from . import test_alarm
from . import test_backup
from . import test_kernel_band
from . import test_kernel_retention
from . import test_kernel_schedule
from . import test_kernel_verbs
from . import test_screens
from . import test_storage_kinds
