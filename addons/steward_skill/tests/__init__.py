from . import test_kernel_cause
