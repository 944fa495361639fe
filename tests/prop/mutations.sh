#!/bin/sh
# Every rule has a property that was seen failing: breaks the core in one place at a time, and expects the
# histories to say so.
#
#   mutations.sh CC SOURCE_ROOT WORK_DIR [NAME]
#
# mutations.txt has one mutation a line: name | file of daemon/core | sed expression | what must be said.
# A mutation that changes nothing any more, or that nobody notices, is a failure.
set -eu

cc=$1 root=$2 work=$3 only=${4-}
here=$root/tests/prop
runs=160

rm -rf "$work"
mkdir -p "$work/core"

compile() { # source object
	# shellcheck disable=SC2086
	$cc -std=gnu17 -D_GNU_SOURCE -O1 -I"$work" -I"$work/core" -I"$root" -I"$root/daemon" -I"$root/daemon/core" -I"$root/tests/lib" -c "$1" -o "$2"
}

for file in "$root"/daemon/core/*.c "$root"/tests/lib/*.c "$here/histories.c"; do
	compile "$file" "$work/$(basename "$file" .c).o"
done
$cc -o "$work/histories" "$work"/*.o -lm
if ! "$work/histories" --runs 40 2> "$work/sound.said"; then
	cat "$work/sound.said"
	echo "the core is not sound to begin with"
	exit 1
fi

passed=0 failed=0
while IFS='|' read -r name file expression said; do
	name=$(echo "$name" | tr -d ' ') file=$(echo "$file" | tr -d ' ')
	said=$(echo "$said" | sed "s/^ *//; s/¦/|/g")
	case $name in '' | '#'*) continue ;; esac
	if [ -n "$only" ] && [ "$only" != "$name" ]; then continue; fi
	sed -e "$(echo "$expression" | sed 's/^ *//; s/ *$//; s/¦/|/g')" "$root/daemon/core/$file" > "$work/core/$file"
	if cmp -s "$root/daemon/core/$file" "$work/core/$file"; then
		echo "not ok $name: changes nothing in $file"
		failed=$((failed + 1))
		continue
	fi
	mv "$work/$(basename "$file" .c).o" "$work/kept"
	compile "$work/core/$file" "$work/mutant.o"
	$cc -o "$work/mutant" "$work"/*.o -lm
	rm "$work/mutant.o"
	mv "$work/kept" "$work/$(basename "$file" .c).o"
	if timeout 60 "$work/mutant" --runs $runs 2> "$work/$name.said" > "$work/$name.out"; then
		echo "not ok $name: nobody noticed"
		failed=$((failed + 1))
	elif ! grep -qE "(seed.*|assertion.*)($said)" "$work/$name.said"; then
		echo "not ok $name: expected \"$said\", got: $(grep '^seed ' "$work/$name.said" | tail -1)"
		failed=$((failed + 1))
	else
		echo "ok $name: $(grep '^seed ' "$work/$name.said" | tail -1)"
		passed=$((passed + 1))
	fi
done < "$here/mutations.txt"
echo "$passed mutations noticed, $failed not"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
