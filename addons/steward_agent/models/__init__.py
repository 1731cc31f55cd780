from . import steward_playbook
from . import steward_tool
from . import steward_toolbox
from . import steward_webhook
from . import steward_agent
from . import steward_run
from . import ir_actions_server
