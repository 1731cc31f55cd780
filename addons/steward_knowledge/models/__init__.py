from . import steward_source
from . import steward_document
from . import steward_chunk
from . import steward_context
from . import steward_space
