from . import test_kernel_cause
from . import test_kernel_guardrail
from . import test_kernel_skill_format
from . import test_guardrail
from . import test_harvest
