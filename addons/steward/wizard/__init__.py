from . import steward_job_panel
