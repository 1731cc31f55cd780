from . import steward_skill
from . import steward_skill_version
from . import steward_skill_file
from . import steward_skill_use
from . import steward_skill_harvest
from . import steward_guardrail
