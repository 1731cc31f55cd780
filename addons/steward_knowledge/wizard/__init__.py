from . import steward_vector_import
from . import steward_search_import
from . import steward_space_override
