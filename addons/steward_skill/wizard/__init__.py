from . import steward_skill_decision
from . import steward_skill_exchange
