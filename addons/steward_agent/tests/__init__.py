from . import test_kernel_expression
from . import test_kernel_playbook
