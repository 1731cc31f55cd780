from . import steward_search_import
