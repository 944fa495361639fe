#!/bin/sh
# What sagpin costs, beside what people write today: CPU, memory, scrapes, calls. Nothing here is a test: it prints
# numbers of this machine, and fails only when a run fails or an observation takes more list calls than it must.
#
# usage: sh tests/bench/run.sh [INSTANCES...]     default: 10000 100000; takes half an hour
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
build=$here/build-bench

. "$here/packaging/packages.sh"
# shellcheck disable=SC2086
need_packages $build_packages libcmocka-dev curl ca-certificates python3 python3-prometheus-client golang-go prometheus

log=$here/build-bench.log
echo "Building a release in $build"
{
	[ -f "$build/build.ninja" ] || meson setup "$build" "$here" -Dbuildtype=release -Dtests=true
	ninja -C "$build" daemon/sagpin tests/cloud/sagpin-simulator tests/bench/bench_client tests/bench/bench_turns.so \
		tests/bench/bench_virtual tests/bench/bench_steps tests/bench/bench_state
	GO111MODULE=off GOCACHE=$build/go-cache GOFLAGS='' go build -o "$build/bench_peer_go" "$here/tests/bench/peer.go"
} >"$log" 2>&1 || { tail -40 "$log" >&2; exit 1; }
rm -f "$log"

echo "A full rollout in virtual time, with the simulated cloud"
for n in 5000 20000 100000; do
	"$build/tests/bench/bench_virtual" "$n"
done
echo "The longest steps of the core with 100,000 targets"
"$build/tests/bench/bench_steps" 100000
echo "The state file with 100,000 targets"
state=$(mktemp -d)
"$build/tests/bench/bench_state" "$state"
rmdir "$state"

# Debian's own interpreter is the one that has Debian's prometheus_client.
[ $# -gt 0 ] || set -- 10000 100000
exec /usr/bin/python3 "$here/tests/bench/bench.py" "$build" "$@"
