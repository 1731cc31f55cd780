from . import steward_vector_import
from . import steward_search_import
