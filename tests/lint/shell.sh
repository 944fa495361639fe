#!/bin/sh
# Our shell scripts, read by shellcheck as the POSIX shell they are.
set -eu
git ls-files '*.sh' .ci/run | xargs shellcheck -s sh -e SC1091,SC2034
