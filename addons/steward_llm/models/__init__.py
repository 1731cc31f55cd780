from . import steward_budget
from . import steward_budget_period
from . import steward_reservation
