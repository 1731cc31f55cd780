from . import test_kernel_cause
from . import test_guardrail
