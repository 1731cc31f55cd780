from . import test_document
from . import test_space
from . import test_pipeline
