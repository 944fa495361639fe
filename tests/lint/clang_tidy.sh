#!/bin/sh
# clang-tidy (.clang-tidy) over every source of the product.
#
# The analyzer looks at 20,000 states a function, a tenth of what it would: seven times less time for a file of the core,
# and the same said (on catalogue.c 16 s of CPU in place of 113 s).
set -eu
build=$1
git ls-files 'daemon/*.c' 'metrics/*.c' 'config/*.c' | xargs -P2 -n1 clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option \
	--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=20000 -p "$build"
