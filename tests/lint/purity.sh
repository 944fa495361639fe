#!/bin/sh
# Pure modules stay pure: no system call, clock, randomness, log call or writable global.
#
#   purity.sh CC SOURCE_ROOT WORK_DIR MUST_DEFINE ALLOWED FILE...
#
# Compiles FILEs once more, without LTO, sanitizers and position-independent code (so that constant tables of
# pointers are read-only and not relocated data), links them into one object, and looks at its symbols: what is
# undefined must match one of the patterns ALLOWED (separated by spaces) or the basic list below; nothing may be
# writable; MUST_DEFINE must be there, so that an empty object cannot pass.
# Then it sees itself fail on impure twins of that object: the lint is a check that can fail.
set -eu

cc=$1 root=$2 work=$3 must=$4 allowed=$5
shift 5

basic='malloc calloc realloc reallocarray free memcpy memmove memset memcmp memchr memrchr
strlen strnlen strcmp strncmp strcpy stpcpy strchr strpbrk strrchr strstr strspn strcspn strdup strndup
snprintf vsnprintf qsort qsort_r bsearch floor ceil __assert_fail'

rm -rf "$work"
mkdir -p "$work"

compile() { # source object
	# The compiler may be a command with arguments, as in "ccache gcc".
	# shellcheck disable=SC2086
	$cc -std=gnu17 -D_GNU_SOURCE -O1 -fno-lto -fno-pic -fno-pie -fno-common -fno-stack-protector -U_FORTIFY_SOURCE \
		-I"$root" -I"$root/daemon" -I"$root/metrics" -I"$root/config" -c "$1" -o "$2"
}

is_allowed() { # symbol
	for pattern in $basic $allowed; do
		# shellcheck disable=SC2254
		case $1 in $pattern) return 0 ;; esac
	done
	return 1
}

check() { # object: prints what is wrong with it, fails if anything is
	bad=0
	nm "$1" > "$work/symbols"
	for symbol in $(awk 'NF == 2 && $1 ~ /^[Uw]$/ { print $2 }' "$work/symbols"); do
		if ! is_allowed "$symbol"; then
			echo "impure: needs $symbol"
			bad=1
		fi
	done
	for symbol in $(awk 'NF == 3 && $2 ~ /^[dDbBcCgGsSvV]$/ { print $3 }' "$work/symbols"); do
		echo "impure: $symbol is writable"
		bad=1
	done
	if ! awk -v must="$must" 'NF == 3 && $2 == "T" && $3 == must { found = 1 } END { exit !found }' "$work/symbols"; then
		echo "$must is not defined: this is not the object meant"
		bad=1
	fi
	return $bad
}

objects=
n=0
for file in "$@"; do
	n=$((n + 1))
	compile "$file" "$work/$n.o"
	objects="$objects $work/$n.o"
done
# shellcheck disable=SC2086
ld -r -o "$work/pure.o" $objects
check "$work/pure.o"
echo "pure: $n files with $must"

# Each of these (a regular expression says what must be found), linked to the same object, must be found.
twin() { # name, what must be said, source
	printf '%s\n' "$3" > "$work/$1.c"
	compile "$work/$1.c" "$work/$1.o"
	ld -r -o "$work/with-$1.o" "$work/pure.o" "$work/$1.o"
	if check "$work/with-$1.o" > "$work/$1.said" || ! grep -qx "$2" "$work/$1.said"; then
		echo "the lint does not find: $2"
		exit 1
	fi
}
twin clock 'impure: needs time' '#include <time.h>
long twin_now(void); long twin_now(void) { return (long)time(0); }'
twin counter 'impure: [a-z_.]*count[.0-9]* is writable' 'int twin_count(void); int twin_count(void) { static int count; return ++count; }'
twin global 'impure: twin_global is writable' 'int twin_global = 1;'
twin thread 'impure: twin_thread is writable' '_Thread_local int twin_thread;'
twin log 'impure: needs puts' '#include <stdio.h>
void twin_say(void); void twin_say(void) { puts("x"); }'
must=reconcile_nothing
if check "$work/pure.o" > "$work/must.said"; then
	echo "the lint does not miss a function that is not there"
	exit 1
fi
