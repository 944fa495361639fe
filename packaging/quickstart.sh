#!/bin/sh
# The main job, rehearsed: builds sagpin, starts the API simulator with a fleet of 500 instances and sagpin in enforce
# mode against it, and shows how the fleet gets to its pins. Everything stays on loopback. Ctrl-C stops both.
#
# usage: sh packaging/quickstart.sh [--once]     --once: end after the summary instead of serving until Ctrl-C
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
build=$here/build-release
once=''
case $# in
0) ;;
*) [ "$*" = --once ] || { echo "usage: sh packaging/quickstart.sh [--once]" >&2; exit 2; }
	once=1 ;;
esac

. "$here/packaging/packages.sh"
# shellcheck disable=SC2086
need_packages $build_packages curl ca-certificates

echo "Building a release in $build"
[ -f "$build/build.ninja" ] || meson setup "$build" "$here" -Dbuildtype=release -Dtests=false >"$here/build-release.log" 2>&1 ||
	{ cat "$here/build-release.log" >&2; exit 1; }
ninja -C "$build" daemon/sagpin tests/cloud/sagpin-simulator >"$here/build-release.log" 2>&1 || { tail -40 "$here/build-release.log" >&2; exit 1; }
rm -f "$here/build-release.log"

work=$(mktemp -d "${TMPDIR:-/tmp}/sagpin-quickstart.XXXXXX")
simulator='' daemon=''
stop() {
	trap '' INT TERM
	for pid in $daemon $simulator; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in $daemon $simulator; do
		wait "$pid" 2>/dev/null || true
	done
	daemon='' simulator=''
}
finish() {
	stop
	rm -rf "$work"
	echo "Both are stopped."
}
trap finish EXIT
trap 'echo; exit 0' INT TERM

# ---- the cloud, simulated ----
"$build/tests/cloud/sagpin-simulator" --listen=127.0.0.1:0 --instances=500 --seed=1 --upgrade-time=4s >"$work/simulator.out" 2>&1 &
simulator=$!
endpoint=
for _ in $(seq 100); do
	endpoint=$(sed -n 's/^listening on //p' "$work/simulator.out")
	[ -n "$endpoint" ] && break
	kill -0 "$simulator" 2>/dev/null || { cat "$work/simulator.out" >&2; exit 1; }
	sleep 0.1
done
[ -n "$endpoint" ] || { echo "the simulator did not start" >&2; exit 1; }

# ---- the pins ----
cat >"$work/sagpin.cfg" <<CONFIG
mode = "enforce";
state = "$work/state.db";
control_socket = "$work/control.sock";
max_in_flight = 200;
accounts = (
  { name = "demo"; credentials: { source = "env"; }; regions = [ "cn-shanghai" ]; endpoint = "$endpoint";
    poll_interval = "5s"; dpi_poll_interval = "30s";
    blast_radius = "100%";    # a rehearsal: all of it may move without an approval
    api: { calls_per_second = "400"; burst = 100; concurrency = 16; timeout = "5s"; }; }
);
policies = (
  { name = "demo"; windows = [ "always" ]; max_in_flight = "25%"; max_starts_per_hour = 100000; deadline = "15s";
    retry: { attempts = 3; first = "2s"; max = "10s"; }; verify: { soak = "1s"; vpn = true; };
    halt: { failures = 0; percent = "0%"; }; }
);
pins = (
  { name = "depots"; match: { resource_group = "rg-depots"; }; device = "3.4.2"; dpi = "1.3.5"; policy = "demo"; },
  { name = "shops";  match: { name = "shop-*"; }; device = "3.4.2"; policy = "demo"; }
);
CONFIG

# ---- the daemon ----
export ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tSimulator ALIBABA_CLOUD_ACCESS_KEY_SECRET=simulator-secret-not-a-real-one
"$build/daemon/sagpin" check-config "$work/sagpin.cfg"
start_daemon() {
	"$build/daemon/sagpin" run --config.file="$work/sagpin.cfg" --web.listen-address="$1" 2>"$work/sagpin.log" &
	daemon=$!
	address=
	for _ in $(seq 100); do
		address=$(sed -n 's/.*msg="\{0,1\}listening"\{0,1\} .*address="\{0,1\}\([^" ]*\).*/\1/p' "$work/sagpin.log" | head -1)
		[ -n "$address" ] && return 0
		kill -0 "$daemon" 2>/dev/null || return 1
		sleep 0.1
	done
	kill "$daemon"
	wait "$daemon" || true
	return 1
}
start_daemon 127.0.0.1:10917 || start_daemon 127.0.0.1:0 || { cat "$work/sagpin.log" >&2; exit 1; }
echo
echo "Metrics       http://$address/metrics"
echo "Landing page  http://$address/"
echo "The cloud     $endpoint   (simulated; its fleet: ${endpoint}_sim/state)"
echo "Log           $work/sagpin.log"
echo

# ---- how it converges ----
metrics() {
	curl -sf --max-time 5 "http://$address/metrics" >"$work/metrics" || { echo "the daemon does not answer; its log ends with:" >&2; tail -5 "$work/sagpin.log" >&2; exit 1; }
}
sum_by() { # LABEL: adds up sagpin_targets by one label
	sed -n "s/^sagpin_targets{.*$1=\"\([^\"]*\)\".*} \([0-9.]*\)\$/\1 \2/p" "$work/metrics" |
		awk '{ n[$1] += $2 } END { for (k in n) if (n[k]) print k, n[k] }'
}
progress() {
	sum_by phase | awk -v t="$1" '
		{ n[$1] = $2; if ($1 != "unmanaged") all += $2 }
		END {
			done = all ? n["in_sync"] * 40 / all : 0
			bar = ""
			for (i = 0; i < 40; i++) bar = bar (i < done ? "#" : ".")
			printf "%4ds  [%s]  in_sync %d/%d  upgrading %d  verifying %d  waiting %d  failed %d  ahead %d", t, bar,
				n["in_sync"], all, n["upgrading"], n["verifying"], n["waiting"], n["failed"], n["ahead"]
		}'
}
still_moving() { # anything that will go on by itself
	sum_by phase | grep -qE '^(upgrading|verifying|unknown) ' && return 0
	sum_by reason | grep -qE '^(settling|backoff|max_in_flight|rate|throttled|precheck|pair|never_observed) ' && return 0
	! grep -q '^sagpin_up{.*} 1' "$work/metrics"
}
echo "An instance that was just started without earlier state first waits one deadline (15 s, reason settling):"
echo "an upgrade that it does not know of could be running."
started=$(date +%s)
while :; do
	metrics
	now=$(($(date +%s) - started))
	if [ -t 1 ]; then printf '\r%s ' "$(progress $now)"; else progress $now; echo; fi
	still_moving || break
	[ "$now" -lt 600 ] || { echo; echo "not converged after 10 minutes; see the log" >&2; exit 1; }
	sleep 1
done
[ -t 1 ] && echo

# ---- what is left, and why ----
echo
echo "Targets that are not in sync, and why:"
sed -n 's/^sag_target_state{\(.*\)} 1$/\1/p' "$work/metrics" | grep -v -e 'phase="in_sync"' -e 'phase="unmanaged"' |
	sed 's/.*instance_id="\([^"]*\)".*serial_number="\([^"]*\)".*version_type="\([^"]*\)".*phase="\([^"]*\)".*reason="\([^"]*\)".*/\1 \2 \3 \4 \5/' |
	sort -k4,5 | awk 'BEGIN { f = "  %-26s %-22s %-7s %-10s %s\n"; printf f, "INSTANCE", "SERIAL NUMBER", "TYPE", "PHASE", "REASON" } { printf f, $1, $2, $3, $4, $5 }'
echo
sum_by phase | sort | awk '{ printf "  %-10s %d%s\n", $1, $2, $1 == "unmanaged" ? "  (no pin names their version type)" : "" }'
awk '/^sagpin_upgrades_succeeded_total/ { n += $NF } /^sagpin_upgrades_started_total/ { s += $NF } END { printf "  %d upgrades started, %d verified\n", s, n }' "$work/metrics"
curl -sf --max-time 5 "${endpoint}_sim/state" |
	sed -n 's/.*"upgrade_requests":\([0-9]*\).*"upgrades_overlapping":\([0-9]*\).*/  the cloud counted \1 upgrade calls, \2 of them while that instance was upgrading/p'
echo
if [ -n "$once" ]; then exit 0; fi
echo
echo "Serving until Ctrl-C."
wait "$daemon"
