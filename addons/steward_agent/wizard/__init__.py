from . import steward_agent_import
from . import steward_tool_trial
