from . import steward_vector_import
