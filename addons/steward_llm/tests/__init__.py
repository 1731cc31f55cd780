from . import test_kernel_budget
