# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What test_vfio.sh and its like put into the guest beside the stock files, to be sourced.
#
#   add_program FOLDER PROGRAM   a program of this build with the libraries it was linked with
#   add_modules FOLDER BED NAME… modules of the stock kernel, as /modules/NAME.ko
#   add_modules FOLDER BED/modules-iommufd NAME…  the same, but those of VFIO are the ones built beside it, with
#                                iommufd and no-IOMMU groups; the rest is stock. Their load order:
#                                irqbypass iommufd vfio vfio_iommu_type1 vfio-pci-core vfio-pci, mdev mtty
#   needs_iommufd BED            skips the test where they could not be built; before guest_prepare

# The guest's own loader and libraries are another Debian's: this one has its own, and a script that
# starts it with them.
add_program() {
	local folder=$1 program=$2 name lib

	name=$(basename "$program")
	mkdir -p "$folder"/opt/{bin,lib} "$folder/usr/bin"
	cp "$program" "$folder/opt/bin/$name"
	ldd "$program" | grep -o '/[^ ]*' | while read -r lib; do
		cp -nL "$lib" "$folder/opt/lib/"
	done
	printf '#!/bin/sh\nexec /opt/lib/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/bin/%s "$@"\n' \
		"$name" >"$folder/usr/bin/$name"
	chmod 755 "$folder/usr/bin/$name"
}

add_modules() {
	local folder=$1 where=("$2/modules") name file

	case $2 in
	*/modules-iommufd) where=("$2" "${2%/*}/modules") ;;
	esac
	shift 2
	mkdir -p "$folder/modules"
	for name; do
		# The first of the places that has it.
		file=$(find "${where[@]}" -name "$name.ko*" -print -quit)
		case $file in
		*.ko.xz) xz -dc "$file" >"$folder/modules/$name.ko" ;;
		*.ko) cp "$file" "$folder/modules/" ;;
		*)
			echo "the guest bed has no module $name" >&2
			return 1
			;;
		esac
	done
}

needs_iommufd() {
	[ -e "$1/modules-iommufd/iommufd.ko" ] ||
		guest_skip "the guest bed has no modules with iommufd; remove $1 and run script/guest-bed to make it anew"
}
