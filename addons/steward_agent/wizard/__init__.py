from . import steward_agent_start
from . import steward_approval_decision
from . import steward_approval_delegation
from . import steward_agent_import
from . import steward_tool_trial
from . import steward_run_judgement
from . import steward_prompt_labelling
from . import steward_prompt_playground
