#!/bin/sh
# Every rule has a property that was seen failing: breaks the core in one place at a time, and expects the
# histories to say so.
#
#   mutations.sh [NAME...]        CC and the folder WORK (default build-mutations) come from the environment
#
# mutations.txt has one mutation a line: name | file of daemon/core | sed expression | what must be said.
# A mutation that changes nothing any more, that does not compile, or that nobody notices, is a failure.
# Two at a time; a few minutes for all on two cores.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
list=$root/tests/prop/mutations.txt
cc=${CC:-gcc} work=${WORK:-$root/build-mutations}
runs=${RUNS:-400}

compile() { # source object
	# shellcheck disable=SC2086
	$cc -std=gnu17 -D_GNU_SOURCE -O1 -w -I"$root" -I"$root/daemon" -I"$root/daemon/core" -I"$root/tests/lib" -I"$root/tests/prop" -c "$1" -o "$2"
}

# The field of a mutation's line, without the blanks around it; a broken bar stands for the bar.
field() { grep "^$1 *|" "$list" | cut -d'|' -f"$2" | sed 's/^ *//; s/ *$//; s/¦/|/g'; }

one() { # name: gives one line of result
	file=$(field "$1" 2) said=$(field "$1" 4) own=$work/$1
	rm -rf "$own"
	mkdir -p "$own"
	cp "$work"/objects/*.o "$own"
	sed -e "$(field "$1" 3)" "$root/daemon/core/$file" > "$own/$file"
	if cmp -s "$root/daemon/core/$file" "$own/$file"; then
		echo "not ok $1: changes nothing in $file"
	elif ! compile "$own/$file" "$own/$(basename "$file" .c).o" || ! $cc -o "$own/histories" "$own"/*.o -lm; then
		echo "not ok $1: does not compile"
	elif timeout 300 "$own/histories" --runs "$runs" > "$own/out" 2> "$own/said"; then
		echo "not ok $1: nobody noticed"
	elif ! grep -qE "^seed.*($said)" "$own/said"; then
		echo "not ok $1: expected \"$said\", got: $(grep '^seed ' "$own/said" | tail -1)"
	else
		echo "ok $1: $(grep '^seed ' "$own/said" | tail -1)"
	fi
}

if [ "${1-}" = --one ]; then
	one "$2"
	exit 0
fi

rm -rf "$work"
mkdir -p "$work/objects"
for file in "$root"/daemon/core/*.c "$root"/tests/lib/*.c "$root/tests/prop/histories.c" "$root/tests/prop/chaos.c" "$root/tests/prop/draw.c"; do
	compile "$file" "$work/objects/$(basename "$file" .c).o"
done
names=${*:-$(grep '^[a-z]' "$list" | cut -d'|' -f1)}
# shellcheck disable=SC2086
printf '%s\n' $names | CC=$cc WORK=$work xargs -P 2 -n 1 sh "$0" --one | tee "$work/results"
passed=$(grep -c '^ok ' "$work/results" || true)
failed=$(grep -vc '^ok ' "$work/results" || true)
echo "$passed mutations noticed, $failed not"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
