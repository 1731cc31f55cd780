#!/bin/bash
# Runs once, when the cluster is made, as the superuser. Every database that Odoo makes
# is a copy of template1, so it has the extension that only a superuser can create.
# The password is read by psql itself: it stands on no command line.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --username="$POSTGRES_USER" --dbname=template1 <<'SQL'
\set password `cat /run/secrets/db_password`
CREATE EXTENSION IF NOT EXISTS vector;
CREATE ROLE odoo LOGIN CREATEDB NOSUPERUSER PASSWORD :'password';
SQL
