"""Run waiting jobs here and now, as the job runner would: for demos and benches."""

import time
from typing import Any

PATIENCE = 60  # seconds that a job may want to wait; what is planned for later stays


def work_off(env: Any) -> int:
    """Run what waits until nothing does; returns how many jobs were run.

    Each in a transaction of its own, by the code that answers to the runner. A job
    that fails raises what it failed of.
    """
    from odoo.addons.queue_job.job import Job
    from odoo.addons.steward.controllers.queue_job import StewardJobController

    done = 0
    while True:
        env.cr.commit()
        env.cr.execute(
            "SELECT uuid, extract(epoch FROM eta - now() AT TIME ZONE 'UTC')"
            " FROM queue_job WHERE state = 'pending'"
            " ORDER BY eta NULLS FIRST, priority, date_created, id LIMIT 1"
        )
        uuid, wait = env.cr.fetchone() or (None, None)
        if uuid is None or (wait or 0) > PATIENCE:
            return done
        if wait and wait > 0:
            time.sleep(float(wait))
            continue
        job = Job.load(env, uuid)
        job.set_enqueued()
        job.store()
        env.cr.commit()
        env.invalidate_all()
        StewardJobController._runjob(env, StewardJobController._acquire_job(env, uuid))
        done += 1
