# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: BSD-3-Clause
# Numbers all over a guest's disks (numbered.c) while what serves them is killed, to be sourced after guest.sh. A disk is NAME as
# in disks.sh.
#
#   numbers NAME…         writers of three depths start on each
#   more NAME…            each has written some more, within a minute
#   no_number_lost NAME   they end, look at all that they have written, and are content
numbers() {
	guest 'for s in '"$*"'; do mkdir -p /tmp/$s; (cd /tmp/$s && exec numbered /dev/$(disk $s) 1 8 32) >/tmp/$s/out 2>&1 & echo $! >/tmp/$s/pid; done'
}

more() {
	guest '(for s in '"$*"'; do was=$(cat /tmp/$s/numbered); n=0; until [ $(cat /tmp/$s/numbered) -gt $((was + 150)) ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || exit 1; done; cat /tmp/$s/numbered; done)'
}

no_number_lost() {
	guest 'kill -TERM $(cat /tmp/'"$1"'/pid); n=0; while [ -d /proc/$(cat /tmp/'"$1"'/pid) ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done; cat /tmp/'"$1"'/out' &&
		holds '^@numbered [1-9][0-9]* written, [1-9][0-9]* looked at, 0 wrong$'
}
