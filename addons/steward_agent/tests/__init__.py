from . import test_agent
from . import test_kernel_expression
from . import test_kernel_playbook
from . import test_kernel_query
from . import test_kernel_specification
from . import test_playbook
from . import test_tool
from . import test_toolbox
