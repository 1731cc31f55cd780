from . import controllers, log, models, wizard
from .hooks import uninstall_hook

log.install()
