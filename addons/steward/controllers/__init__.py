from . import health, queue_job
