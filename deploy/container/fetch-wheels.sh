#!/bin/sh
# Download the wheels of the image's locks into wheels/, for a build without a network. Run it with the Python version
# and on the processor that the image is for; PYTHON chooses the interpreter, which needs pip.
set -eu
cd "$(dirname "$0")"
for lock in runtime.lock build.lock; do
    "${PYTHON:-python3}" -m pip download -q --disable-pip-version-check --require-hashes --only-binary :all: \
        --dest wheels -r "$lock"
done
