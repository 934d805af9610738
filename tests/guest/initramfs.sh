#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# initramfs.sh BED OUT [MORE]: packs what a test's guest needs into OUT: busybox, lspci with its names, setserial,
# the helper programs of this folder (compiled here, static), init, and what is in the folder MORE. Not compressed: a guest
# without KVM takes longer to unpack it than to read it. With MEDIO_GUEST_BASE=FILE, all but MORE is in FILE already, which
# initramfs.sh has made without MORE.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bed=$1 out=$2
root=$bed/root
libs=$root/usr/lib/x86_64-linux-gnu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

# pack FOLDER: an archive of it. The kernel takes several, one after the other.
pack() {
	(cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0)
}

# add PROGRAM: with the libraries its loader would bring.
add() {
	local from lib

	from=$(find "$root/usr/bin" "$root/usr/sbin" -name "$1" -print -quit)
	[ -n "$from" ] || {
		echo "initramfs.sh: $1 is not in $root" >&2
		exit 1
	}
	cp -L "$from" "$tree/usr/bin/"
	"$libs/ld-linux-x86-64.so.2" --library-path "$libs" --list "$from" |
		sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
		while read -r lib; do
			cp -nL "$lib" "$tree/lib/x86_64-linux-gnu/"
		done
}

base() {
	local source name

	mkdir -p "$tree"/{bin,dev,proc,sys,tmp,lib64,lib/x86_64-linux-gnu,usr/bin,usr/share/misc}
	add lspci
	add setserial
	cp -L "$libs/ld-linux-x86-64.so.2" "$tree/lib64/"
	cp "$root/usr/share/misc/pci.ids" "$tree/usr/share/misc/"
	cp -L "$root/usr/bin/busybox" "$tree/bin/busybox"
	cp "$here/init" "$tree/init"
	chmod 755 "$tree/init"
	for source in "$here"/*.c; do
		name=$(basename "$source" .c)
		${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -pthread \
			-o "$tree/usr/bin/$name" "$source"
	done
	pack "$tree"
}

if [ -n "${MEDIO_GUEST_BASE:-}" ]; then
	cp "$MEDIO_GUEST_BASE" "$work/image"
else
	base >"$work/image"
fi
[ -z "${3:-}" ] || pack "$3" >>"$work/image"
mv "$work/image" "$out"
