from . import test_find
from . import test_kernel_skill_format
from . import test_review
from . import test_run
from . import test_skill
