from . import log, models
from .hooks import uninstall_hook

log.install()
