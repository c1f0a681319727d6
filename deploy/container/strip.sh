#!/bin/sh
# Runs in the runtime stage: takes out what a running daemon does not need, package managers above all, and writes what
# is left to /usr/share/sbom/dpkg.tsv. The database of dpkg stays, so that scanners know the packages.
set -eu

if ! [ -x /usr/bin/python3 ] || ! [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    apt-get update -q
    apt-get install -q -y --no-install-recommends ca-certificates python3
fi

for package in \
    python3-venv python3.11-venv python3-pip-whl python3-setuptools-whl python3-distutils python3-lib2to3 \
    python3-pip python3-setuptools tini apt libapt-pkg6.0 debian-archive-keyring gpgv adduser passwd login \
    perl perl-modules-5.36 libperl5.36 netbase debconf libdebconfclient0 e2fsprogs logsave libext2fs2 libss2 libcom-err2 mount sysvinit-utils bsdutils ncurses-bin util-linux-extra \
    util-linux perl-base; do
    if dpkg-query -W "$package" >/dev/null 2>&1; then
        dpkg --purge --force-all "$package" >/dev/null 2>&1 || dpkg --purge --force-all --no-triggers "$package"
    fi
done

mkdir -p /usr/share/sbom
# shellcheck disable=SC2016  # these are dpkg's own placeholders
dpkg-query -W -f='${Package}\t${Version}\t${Architecture}\t${source:Package}\n' >/usr/share/sbom/dpkg.tsv

echo 'orchestrator:x:10001:10001::/var/lib/orchestrator:/usr/sbin/nologin' >>/etc/passwd
echo 'orchestrator:x:10001:' >>/etc/group
mkdir -p /etc/orchestrator
install -d -m 0700 -o 10001 -g 10001 /var/lib/orchestrator

cp /var/lib/dpkg/status /tmp/status
dpkg -L dpkg | while read -r file; do
    if [ -f "$file" ]; then rm -f "$file"; fi
done
mkdir -p /var/lib/dpkg
mv /tmp/status /var/lib/dpkg/status
rm -rf /var/lib/apt /var/cache/* /var/log/* /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale \
    /usr/share/bash-completion /usr/share/perl* /usr/lib/*-linux-gnu/perl-base /var/lib/dpkg/info /tmp/*
