#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# man_options.sh MEDIO SOURCE: the options that `medio CMD --help` lists and those of the page
# man/medio-CMD.1.scd are the same, and every command has a page. Exit 1 and say which differ.
set -u
medio=$1
source=$2
failed=0

commands=$("$medio" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')
[ -n "$commands" ] || { echo "no commands in medio --help"; exit 1; }

for cmd in $commands; do
	page=$source/man/medio-$cmd.1.scd
	if [ ! -e "$page" ]; then
		echo "medio $cmd: no page man/medio-$cmd.1.scd"
		failed=1
		continue
	fi
	# "  -v, --verbose ARG  words" becomes "--verbose -v ARG"; the page's "*-v*, *--verbose* _ARG_" too.
	help=$("$medio" "$cmd" --help | sed -n '/^Options:/,$p' | sed -nE \
		's/^  ( +|(-.), )--([a-z0-9-]+)( ([^ ]+))?(  .*)?$/--\3 \2 \5/p' | sort)
	man=$(sed -n '/^# OPTIONS/,/^# [^O]/p' "$page" | sed -nE \
		's/^(\*(-.)\*, )?\*--([a-z0-9-]+)\*( _([^_]+)_)?$/--\3 \2 \5/p' | sort)
	if [ -z "$help" ] || [ "$help" != "$man" ]; then
		echo "medio $cmd: --help has"
		echo "$help"
		echo "and man/medio-$cmd.1.scd has"
		echo "$man"
		failed=1
	fi
	grep -q "medio $cmd" "$source/man/medio.1.scd" || {
		echo "medio $cmd is not in man/medio.1.scd"
		failed=1
	}
done
exit $failed
