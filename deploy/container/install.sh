#!/bin/sh
# Runs in the build stage. `dependencies` installs what the locks name into /opt/orchestrator, `program` the program
# itself. Both stay out of the system's Python; pip and the build tools stay in /tools, which the image does not get.
set -eu
cd /src/deploy/container

install_locked() { # PYTHON LOCK
    set -- "$1" --disable-pip-version-check --no-cache-dir --no-compile --only-binary :all: --require-hashes -r "$2"
    if [ -n "$(find wheels -name '*.whl' -print -quit)" ]; then
        set -- "$@" --no-index --find-links wheels
    fi
    target=$1
    shift
    /tools/bin/python -m pip --python "$target" install -q "$@"
}

case "$1" in
dependencies)
    if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
        apt-get update -q
        apt-get install -q -y --no-install-recommends ca-certificates python3 python3-venv
    fi
    /usr/bin/python3 -m venv /tools
    /usr/bin/python3 -m venv --without-pip /opt/orchestrator
    install_locked /tools/bin/python build.lock
    install_locked /opt/orchestrator/bin/python runtime.lock
    mkdir /sbom
    /tools/bin/cyclonedx-py requirements --output-reproducible --output-format JSON \
        --output-file /sbom/python.cdx.json runtime.lock
    ;;
program)
    /tools/bin/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation --no-index \
        --wheel-dir /tmp/program /src
    /tools/bin/python -m pip --python /opt/orchestrator/bin/python install -q --disable-pip-version-check \
        --no-deps --no-index --no-compile /tmp/program/*.whl
    # The root of a container is read-only: what is not compiled now is compiled at each start.
    /opt/orchestrator/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/orchestrator/lib
    ;;
*)
    echo "usage: install.sh dependencies|program" >&2
    exit 2
    ;;
esac
