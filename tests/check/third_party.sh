#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# third_party.sh BUILD: what somebody has who has only installed medio. Installs BUILD into a folder, has
# `medio new` write a device, builds it against what was installed, runs its test, serves it; and tries the
# names and folders that `medio new` must refuse. 77: something it takes is missing.
set -u
build=$(cd "$1" && pwd) || exit 1
failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for tool in meson ninja pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "$tool is not installed"
		exit 77
	}
done
# A program without sanitizers cannot use a library that has them.
if grep -qE '__(a|t|m)san_init' "$build"/lib/libmedio.so; then
	echo "this build has sanitizers, which an installed medio does not"
	exit 77
fi

wrong() {
	printf '%s\n' "$*"
	failed=1
}

# ---- Install ---------------------------------------------------------------------------------------

meson install -C "$build" --no-rebuild --destdir "$dir/root" >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}
pc=$(find "$dir/root" -name medio.pc -print -quit)
program=$(find "$dir/root" -type f -name medio -perm -u+x -print -quit)
if [ -z "$pc" ] || [ -z "$program" ]; then
	echo "medio or medio.pc was not installed"
	exit 1
fi
export PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_PATH=${pc%/*}
export LD_LIBRARY_PATH=${pc%/pkgconfig/*} PATH=${program%/*}:$PATH
unset CC CFLAGS DESTDIR MESON_BUILD_ROOT MESON_SOURCE_ROOT
cd "$dir" || exit 1

# ---- A device of one's own --------------------------------------------------------------------------

# made NAME FOLDER: `medio new` has written NAME into FOLDER; it builds without a warning and passes.
made() {
	local name=$1 folder=$2 file

	for file in "$name.c" "test_$name.c" meson.build README.md; do
		[ -s "$folder/$file" ] || wrong "medio new $name: no $folder/$file"
	done
	for file in blinker shouter; do
		[ "$name" = "$file" ] || ! grep -rn "$file" "$folder" || wrong "medio new $name: $file is left"
	done
	if ! meson setup "$folder/build" "$folder" -Dwerror=true >"$dir/log" 2>&1 ||
		! meson test -C "$folder/build" >>"$dir/log" 2>&1; then
		cat "$dir/log" "$folder"/build/meson-logs/testlog.txt
		wrong "$name does not build or pass its test"
	fi
}

said=$(medio new my-2nd-card) || wrong "medio new my-2nd-card failed"
[ "$(wc -l <<<"$said")" -eq 3 ] || wrong "not three lines: $said"
made my-2nd-card my-2nd-card
# What it says to do next is right. The build folder is there already, and serving has to end.
# shellcheck disable=SC2016 # $uri is medio's
sed 's/^meson setup build/true/; s/ --socket .*/ --run "medio lspci \\$uri"/' <<<"$said" >next
if ! bash -eu next >"$dir/log" 2>&1 || ! grep -q '1234:b11c\|b11c' "$dir/log"; then
	cat next "$dir/log"
	wrong "the commands it prints do not work"
fi
medio new blinker --dir elsewhere >/dev/null || wrong "medio new blinker --dir elsewhere failed"
made blinker elsewhere
medio new --virtio my-virtio >/dev/null || wrong "medio new --virtio my-virtio failed"
made my-virtio my-virtio
medio new -V shouter --dir loud >/dev/null || wrong "medio new -V shouter --dir loud failed"
made shouter loud
# shellcheck disable=SC2016 # $uri is medio's
medio serve my-virtio/build/my-virtio.so --run 'medio virtio $uri' >"$dir/log" 2>&1 || {
	cat "$dir/log"
	wrong "medio virtio does not show what medio new --virtio wrote"
}

# ---- What is refused ---------------------------------------------------------------------------------

# refused STATUS WORD ARGUMENT...: `medio new` ends with STATUS, says WORD, and makes nothing.
refused() {
	local status=$1 word=$2 got=0 before after

	shift 2
	before=$(find . -path ./log -prune -o -print | sort)
	said=$(medio new "$@" 2>&1) || got=$?
	after=$(find . -path ./log -prune -o -print | sort)
	[ "$got" -eq "$status" ] || wrong "medio new $*: status $got, expected $status"
	[[ $said == *"$word"* ]] || wrong "medio new $*: '$said' does not say '$word'"
	[ "$before" = "$after" ] || wrong "medio new $*: left something behind"
}

for name in '' Card 2nd -- my_card my.card ../card 'my card' 'card/x' "card
x" "$(printf 'x%.0s' {1..65})"; do
	refused 2 "" -- "$name"
done
refused 2 "a name begins with a to z" my_card
refused 2 "Meson" test
refused 2 "Meson" meson-card
refused 1 "File exists; remove it, or choose another with --dir" my-2nd-card
refused 1 "No such file" card --dir none/card
if [ "$(id -u)" -ne 0 ]; then
	mkdir locked && chmod a-w locked
	refused 1 "Permission denied" card --dir locked/card
fi
# As on a full disk: the folder can be made, its files not. It must go again.
said=$( (
	trap '' XFSZ
	ulimit -f 0
	exec medio new card
) 2>&1) && wrong "medio new wrote files larger than allowed"
[[ $said == *card/card.c:* ]] || wrong "the file that cannot be written is not named: $said"
[ ! -e card ] || wrong "half a folder is left"

exit $failed
