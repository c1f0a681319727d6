#!/usr/bin/env bash
# Installs the daemon as a service, or brings an installed one to the version of this checkout. Run it as root; it starts
# nothing, and does not change existing files in /etc/orchestrator. docs/operations/systemd.md describes what comes before and after.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
program=/opt/orchestrator
# Debian's own Python: one under a home folder cannot be seen by the service.
python=${PYTHON:-/usr/bin/python3}
# EXTRAS='[postgres]' adds the driver for PostgreSQL.
extras=${EXTRAS:-}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "run it as root"
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' ||
  fail "$python must be Python 3.11 or newer with venv (apt-get install python3 python3-venv)"
if systemctl is-active --quiet orchestrator 2>/dev/null; then
  fail "the service runs: systemctl stop orchestrator, then again"
fi

# The program, with the versions that it was tested with.
versions=$(mktemp)
trap 'rm -f "$versions"' EXIT
sed -n 's/^\([A-Za-z0-9._-]*==[^\\]*\).*/\1/p' "$checkout/requirements.lock" >"$versions"
[ -x "$program/bin/python" ] || "$python" -m venv "$program"
"$program/bin/pip" install --quiet --disable-pip-version-check --constraint "$versions" --upgrade "$checkout$extras"
ln -sfn "$program/bin/orchestrator" /usr/local/bin/orchestrator

# The user, the group, the folders, the unit.
install -D -m 644 "$here/orchestrator.sysusers.conf" /etc/sysusers.d/orchestrator.conf
install -D -m 644 "$here/orchestrator.tmpfiles.conf" /etc/tmpfiles.d/orchestrator.conf
install -D -m 644 "$here/orchestrator.service" /etc/systemd/system/orchestrator.service
install -D -m 755 "$here/orchestrator-doctor" /usr/local/sbin/orchestrator-doctor
install -D -m 644 "$checkout/docs/operations.md" /usr/local/share/doc/orchestrator/operations.md
install -D -m 644 "$checkout/docs/operations/systemd.md" /usr/local/share/doc/orchestrator/operations/systemd.md
systemd-sysusers /etc/sysusers.d/orchestrator.conf
systemd-tmpfiles --create /etc/tmpfiles.d/orchestrator.conf

# The configuration, where there is none yet.
install -d -m 755 /etc/orchestrator
install -d -m 700 /etc/orchestrator/credentials
if [ ! -e /etc/orchestrator/config.yaml ]; then
  name=$(uname -n | tr -c 'A-Za-z0-9._\n-' '-' | cut -c 1-50)
  sed "s/^instance: CHANGE-ME$/instance: $name/" "$here/config.yaml" >/etc/orchestrator/config.yaml
fi
if [ ! -e /etc/orchestrator/server_token ]; then
  (umask 027 && "$python" -c 'import secrets; print(secrets.token_urlsafe(32))' >/etc/orchestrator/server_token)
  chgrp orchestrator /etc/orchestrator/server_token
fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
echo "installed: orchestrator $("$program/bin/python" -c 'import orchestrator; print(orchestrator.__version__)')"
