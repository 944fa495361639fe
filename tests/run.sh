#!/bin/sh
# Tests everything and ends with one line: N passed, N failed.
#
# usage: sh tests/run.sh [SECTION...]     sections: gcc clang valgrind lives lint e2e (all of them when none is named), and
#        mutations: breaks the core in one place after the other and expects the histories to say so; only when named
# A test that cannot run is counted as skipped with the reason, and is no pass.
set -u

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here" || exit 1
sections=${*:-gcc clang valgrind lives lint e2e}
for section in $sections; do
	case $section in
	gcc | clang | valgrind | lives | lint | e2e | mutations) ;;
	*) echo "no section '$section'; there are: gcc clang valgrind lives lint e2e mutations" >&2; exit 2 ;;
	esac
done
logs=$here/build-logs
passed=0 failed=0 skipped=0
mkdir -p "$logs"

. packaging/packages.sh
# shellcheck disable=SC2086
need_packages $build_packages libcmocka-dev clang libclang-rt-14-dev clang-tidy cppcheck valgrind locales python3 python3-prometheus-client \
	prometheus nghttp2-proxy openssl curl ca-certificates iproute2 util-linux shellcheck || { echo "0 passed, 1 failed"; exit 1; }

wanted() { case " $sections " in *" $1 "*) return 0 ;; esac; return 1; }

# check NAME COMMAND...: one test; its output is shown when it fails. Exit status 77 is a skip.
check() {
	name=$1
	shift
	started=$(date +%s)
	"$@" >"$logs/check.log" 2>&1
	status=$?
	took=$(($(date +%s) - started))
	case $status in
	0) passed=$((passed + 1)); echo "ok    $name (${took}s)" ;;
	77) skipped=$((skipped + 1)); echo "skip  $name: $(tail -1 "$logs/check.log")" ;;
	*) failed=$((failed + 1)); echo "FAIL  $name (${took}s)"; tail -60 "$logs/check.log" | sed 's/^/      /' ;;
	esac
	return $status
}

# suite DIR [ARGUMENTS]: meson's tests of a build, each counted by itself.
suite() {
	dir=$1
	shift
	rm -f "$dir"/meson-logs/testlog*.json # what an earlier run left must not be counted
	meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$logs/suite.log" 2>&1
	counts=$(python3 - "$dir" "$logs/suite.log" <<'PY'
import json, glob, os, sys
files = sorted(glob.glob(sys.argv[1] + '/meson-logs/testlog*.json'), key=os.path.getmtime)
good = bad = skip = 0
for line in open(files[-1]) if files else []:
    t = json.loads(line)
    what = t['result']
    name = t['name']
    if what in ('OK', 'EXPECTEDFAIL'):
        good += 1
        print('ok    %s (%.1fs)' % (name, t['duration']), file=sys.stderr)
    elif what == 'SKIP':
        skip += 1
        print('skip  %s: %s' % (name, (t.get('stdout') or t.get('stderr') or 'no reason given').strip().splitlines()[-1]), file=sys.stderr)
    else:
        bad += 1
        print('FAIL  %s (%s, %.1fs)' % (name, what, t['duration']), file=sys.stderr)
        for text in (t.get('stdout') or '', t.get('stderr') or ''):
            for l in text.splitlines()[-40:]:
                print('      ' + l, file=sys.stderr)
if good + bad + skip == 0:
    bad = 1
    print('FAIL  no test ran in ' + sys.argv[1], file=sys.stderr)
    print(open(sys.argv[2]).read()[-3000:], file=sys.stderr)
print(good, bad, skip)
PY
	)
	# shellcheck disable=SC2086
	set -- $counts
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# build DIR COMPILER OPTIONS...
build() {
	dir=$1 compiler=$2
	shift 2
	[ -f "$dir/build.ninja" ] || CC=$compiler meson setup "$dir" -Dwerror=true -Dtests=true "$@" || return 1
	ninja -C "$dir"
}

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

if wanted gcc; then
	echo "== gcc, address and undefined-behaviour sanitizers"
	check "build with gcc and sanitizers" build build-gcc gcc -Db_sanitize=address,undefined -Dbuildtype=debugoptimized && suite build-gcc
fi
if wanted clang; then
	echo "== clang"
	check "build with clang and sanitizers" build build-clang clang -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzing=true &&
		for fuzzer in build-clang/tests/fuzz/fuzz_*; do
			if [ -d "$fuzzer" ] || [ ! -x "$fuzzer" ]; then continue; fi
			corpus=tests/fuzz/corpus/$(basename "$fuzzer" | sed 's/^fuzz_//')
			work=$(mktemp -d)
			check "$(basename "$fuzzer") for 10 s" "$fuzzer" -max_total_time=10 -timeout=5 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$logs/" "$work" "$corpus"
			rm -rf "$work"
		done
fi
if wanted valgrind || wanted lives || wanted e2e; then
	check "build a release" build build-release-test gcc -Dbuildtype=release
fi
if wanted valgrind; then
	echo "== valgrind"
	suite build-release-test --suite unit --logbase testlog-valgrind --timeout-multiplier 20 \
		--wrapper "valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --suppressions=$here/tests/lint/valgrind.supp"
fi
if wanted lives; then
	echo "== random lives of the core, optimised"
	suite build-release-test --suite prop --logbase testlog-lives
fi
if wanted lint; then
	echo "== lint"
	[ -f build-release-test/compile_commands.json ] || build build-release-test gcc -Dbuildtype=release >"$logs/build.log" 2>&1
	for lint in tests/lint/*.sh; do
		[ "$lint" != tests/lint/purity.sh ] || continue # meson runs it
		check "$(basename "$lint" .sh)" sh "$lint" build-release-test
	done
fi
if wanted mutations; then
	echo "== mutations of the core"
	check "every mutation is noticed" sh tests/prop/mutations.sh
fi
if wanted e2e; then
	echo "== end to end, on real sockets"
	for test in tests/integration/test_*.py tests/e2e/test_*.py; do
		[ -f "$test" ] || continue
		check "$(basename "$test" .py)" timeout 300 /usr/bin/python3 "$test" build-release-test
	done
fi

[ "$skipped" -eq 0 ] || echo "$skipped skipped, for the reasons above"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
