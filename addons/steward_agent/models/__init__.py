from . import steward_agent
from . import steward_playbook
from . import steward_tool
from . import steward_run
