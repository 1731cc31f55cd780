from . import health, hook, queue_job
