#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# man_options.sh MEDIO SOURCE [DAEMON]: the options that `medio CMD --help` lists and those of the page
# man/medio-CMD.1.scd are the same, and every command has a page; and so DAEMON --help and its page in
# section 8. Exit 1 and say which differ.
set -u
medio=$1
source=$2
daemon=${3:-}
failed=0

# compare NAME PAGE PROGRAM…: what PROGRAM… --help lists, and what PAGE does.
compare()
{
	name=$1 page=$2
	shift 2
	# "  -v, --verbose ARG  words" becomes "--verbose -v ARG"; the page's "*-v*, *--verbose* _ARG_" too.
	help=$("$@" --help | sed -n '/^Options:/,$p' | sed -nE \
		's/^  ( +|(-.), )--([a-z0-9-]+)( ([^ ]+))?(  .*)?$/--\3 \2 \5/p' | sort)
	man=$(sed -n '/^# OPTIONS/,/^# [^O]/p' "$page" | sed -nE \
		's/^(\*(-.)\*, )?\*--([a-z0-9-]+)\*( _([^_]+)_)?$/--\3 \2 \5/p' | sort)
	if [ -z "$help" ] || [ "$help" != "$man" ]; then
		echo "$name: --help has"
		echo "$help"
		echo "and $page has"
		echo "$man"
		failed=1
	fi
}

commands=$("$medio" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')
[ -n "$commands" ] || { echo "no commands in medio --help"; exit 1; }

for cmd in $commands; do
	page=$source/man/medio-$cmd.1.scd
	if [ ! -e "$page" ]; then
		echo "medio $cmd: no page man/medio-$cmd.1.scd"
		failed=1
		continue
	fi
	compare "medio $cmd" "$page" "$medio" "$cmd"
	grep -q "medio $cmd" "$source/man/medio.1.scd" || {
		echo "medio $cmd is not in man/medio.1.scd"
		failed=1
	}
done

if [ -n "$daemon" ]; then
	name=$(basename "$daemon")
	compare "$name" "$source/man/$name.8.scd" "$daemon"
	grep -q "$name" "$source/man/medio.1.scd" || {
		echo "$name is not in man/medio.1.scd"
		failed=1
	}
fi
exit $failed
