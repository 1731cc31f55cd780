from . import test_document
from . import test_space
from . import test_pipeline
from . import test_harvest
from . import test_hostile_web
from . import test_sources
