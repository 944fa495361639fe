#!/bin/sh
# cppcheck over our own sources, with the flags that the compiler gets.
set -eu
build=$1
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
	--suppress=missingIncludeSystem --suppress=unknownMacro --suppress='*:*/usr/include/*' -D_GNU_SOURCE -j2 \
	-I . -I daemon -I metrics -I config -I "$build/daemon" daemon metrics config
