# Debian packages: install what is missing, and never remove one that is there without a word.
# Sourced by quickstart.sh and tests/run.sh; `need_packages NAME...` returns 1 after saying what to do.

need_packages() {
	missing=
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "These packages are missing:$missing" >&2
		echo "Install them as root: apt-get install --no-install-recommends$missing" >&2
		return 1
	fi
	echo "Installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || { echo "apt-get update failed; look at the message above and try again" >&2; return 1; }
	# shellcheck disable=SC2086 # a list of words
	removed=$(apt-get install -s --no-install-recommends $missing | sed -n 's/^Remv \([^ ]*\).*/ \1/p' | tr -d '\n')
	if [ -n "$removed" ]; then
		echo "Installing$missing would remove:$removed" >&2
		echo "Nothing was changed. If you do not need what would go, run: apt-get install$missing" >&2
		return 1
	fi
	# shellcheck disable=SC2086
	apt-get install -y -qq --no-install-recommends --no-remove $missing >/dev/null
}

build_packages="gcc libc6-dev meson ninja-build pkg-config git libcjson-dev libconfig-dev libcurl4-openssl-dev libgnutls28-dev libinih-dev libmicrohttpd-dev libsqlite3-dev libssl-dev tzdata zlib1g-dev"
