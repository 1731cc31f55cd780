from . import test_kernel_skill_format
