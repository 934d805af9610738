#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# includes.sh [ROOT]: checks who includes whom against the table of docs/architecture.md.
#
# The table stands between two lines `<!-- layers -->`. Its first column names folders (under lib/, or at
# the top), its second what they may include beside their own files and system headers: folders of lib/,
# and public headers as <medio/NAME.h> or <medio/*>. Folders of lib/ and tools/ may always include public
# headers, folders of devices/ their own files. Every folder of lib/ must have a row.
#
#     <!-- layers -->
#     | layer | may include |
#     |---|---|
#     | util | |
#     | pci | util |
#     | devices, filters | <medio/*> |
#     <!-- layers -->
#
# --self-test proves on a tree made for it that each kind of violation is found.
set -euo pipefail

# rows: "folder allowed allowed ..." a line, from the table.
rows() {
	awk '
		/<!-- *\/?layers *-->/ { inside = !inside; next }
		inside && /^\|/ && !/^\|[-: |]*$/ {
			gsub(/[`\\]/, "")
			gsub(/&lt;/, "<"); gsub(/&gt;/, ">")
			split($0, cell, "|")
			gsub(/,/, " ", cell[2]); gsub(/,/, " ", cell[3])
			n = split(cell[2], names, " ")
			for (i = 1; i <= n; i++) {
				sub(/^lib\//, "", names[i]); sub(/\/.*/, "", names[i])
				print names[i], cell[3]
			}
		}' "$1/docs/architecture.md"
}

check_tree() {
	local root=$1 folder

	[ -r "$root/docs/architecture.md" ] || {
		echo "docs/architecture.md is missing: the include rule stands there"
		return 1
	}
	rows "$root" >"$work/rows"
	[ -s "$work/rows" ] || {
		echo "docs/architecture.md has no table between <!-- layers --> lines"
		return 1
	}
	(
		cd "$root"
		for folder in lib/*/; do
			folder=$(basename "$folder")
			awk '{ print $1 }' "$work/rows" | grep -qx "$folder" ||
				echo "lib/$folder has no row in the table of docs/architecture.md"
		done
		for folder in lib devices filters drivers tools examples; do
			[ ! -d "$folder" ] || find "$folder" -name '*.[ch]' -print0
		done | xargs -0r grep -HnE '^[[:space:]]*#[[:space:]]*include' /dev/null |
			awk -v rows="$work/rows" "$judge"
	) >"$work/found"
	cat "$work/found"
	[ ! -s "$work/found" ]
}

# Reads FILE:LINE:#include ..., prints what is not allowed.
# shellcheck disable=SC2016 # the dollars are awk's
judge='
	BEGIN {
		while ((getline row < rows) > 0) {
			n = split(row, word, " ")
			known[word[1]] = 1
			for (i = 2; i <= n; i++)
				allowed[word[1], word[i]] = 1
		}
	}
	{
		split($0, part, ":")
		file = part[1]
		where = file ":" part[2]
		what = $0
		sub(/^[^:]*:[^:]*:[ \t]*#[ \t]*include[ \t]*/, "", what)
		name = what
		sub(/^[<"]/, "", name); sub(/[>"].*/, "", name)
		depth = split(file, dir, "/")
		mine = dir[1] == "lib" ? dir[2] : dir[1]
		inner = dir[1] == "lib" || dir[1] == "tools"

		if (what ~ /^</) {
			if (name !~ /^medio\// || inner)
				next
			if (!(mine in known))
				print where ": " mine " has no row in the table"
			else if (!((mine, "<" name ">") in allowed) && !((mine, "<medio/*>") in allowed) && !((mine, "<medio/…>") in allowed))
				print where ": " mine " may not include <" name ">"
			next
		}
		slash = index(name, "/")
		if (!slash || dir[1] != "lib") {
			# A neighbour: in the same folder, which is for others than the layers.
			own = file
			sub(/[^\/]*$/, "", own)
			if (dir[1] != "lib" && (getline line < (own name)) >= 0) {
				close(own name)
				if (name !~ /\.\./)
					next
			}
		}
		if (!slash) {
			print where ": internal includes are \"layer/file.h\", this is \"" name "\""
			next
		}
		layer = substr(name, 1, slash - 1)
		if (layer == mine && dir[1] == "lib" || layer == dir[2] && dir[1] == "devices")
			next
		if (!(mine in known))
			print where ": " mine " has no row in the table"
		else if (!((mine, layer) in allowed))
			print where ": " mine " may not include \"" name "\""
	}'

expect() {
	local folder=$1 include=$2 verdict=$3 status=0

	mkdir -p "$work/tree/$folder"
	printf '%s\n' "$include" >"$work/tree/$folder/x.c"
	check_tree "$work/tree" >/dev/null || status=1
	rm "$work/tree/$folder/x.c"
	rm -rf "$work/tree/lib/new"
	[ "$status" -eq "$verdict" ] || {
		echo "self-test: $include in $folder/ gave $status, expected $verdict"
		exit 1
	}
}

self_test() {
	mkdir -p "$work"/tree/{docs,lib/util,lib/pci,lib/serve,lib/drive,devices/a,devices/b,drivers}
	touch "$work/tree/devices/a/a.h" "$work/tree/devices/b/b.h"
	cat >"$work/tree/docs/architecture.md" <<'TABLE'
<!-- layers -->
| layer | may include |
|---|---|
| `util` | |
| `pci` | `util` |
| `serve`, `drive` | util, pci |
| devices | shared, `<medio/*>` |
| drivers | `<medio/driver.h>` |
<!-- layers -->
TABLE
	expect lib/pci '#include "util/list.h"' 0
	expect lib/pci '#include "pci/x.h"' 0
	expect lib/pci '#include <stdio.h>' 0
	expect lib/pci '#include <medio/device.h>' 0
	expect lib/util '#include "pci/x.h"' 1
	expect lib/pci '#include "x.h"' 1
	expect lib/serve '#include "drive/x.h"' 1
	expect lib/drive '# include "serve/x.h"' 1
	expect lib/new '#include <stdio.h>' 1
	expect devices/a '#include "a.h"' 0
	expect devices/a '#include <medio/device.h>' 0
	expect devices/a '#include "util/list.h"' 1
	expect drivers '#include "shared/x.h"' 1
	expect devices/a '#include "../b/b.h"' 1
	expect devices/a '#include "a/a.h"' 0
	expect devices/a '#include "shared/x.h"' 0
	expect devices/a '#include "b/b.h"' 1
	expect drivers '#include <medio/driver.h>' 0
	expect drivers '#include <medio/device.h>' 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${1:-} in
--self-test) self_test ;;
*) check_tree "${1:-$(cd "$(dirname "$0")/../.." && pwd)}" ;;
esac
