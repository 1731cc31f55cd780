from . import test_kernel_budget
from . import test_budget
