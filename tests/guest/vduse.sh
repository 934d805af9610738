# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: BSD-3-Clause
# What a guest that medio runs in, and serves by VDUSE, has to know, to be sourced after guest.sh.
#
#   vduse_teach       the guest's shell learns:
#                       await COMMAND     until it succeeds, a minute at most
#                       load MODULE…      of /modules
#                       serve N ARG…      medio in the background, as device dN, ready when this returns; pidN, /tmp/dN.log
#                       killed N ARG…     kill -9, and the same again
#   guest_lines TEXT  a command of several lines, as the one that the guest is sent
vduse_words='mkdir -p /run /mnt
cat /dev/null >/tmp/none
await() { local n=0; until eval "$*" >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 600 ] || return 1; sleep 0.1; done; }
load() { local m; for m; do insmod "/modules/$m.ko" || return 1; done; }
serve() { local n=$1 t=$2; shift 2; : >/tmp/d$n.log; medio serve "$t" "$@" --as "vduse=d$n" >>/tmp/d$n.log 2>&1 & eval "pid$n=\$!"; await "[ -e /dev/vduse/d$n ] && grep -qE \"ready|serving|vduse|/dev/\" /tmp/d$n.log || ! kill -0 \$pid$n"; kill -0 $(eval echo \$pid$n); }
killed() { local n=$1; kill -9 $(eval echo \$pid$n); shift; serve "$n" "$@"; }'

vduse_teach() {
	local line

	while IFS= read -r line; do
		guest "$line" || return
	done <<<"$vduse_words"
}

guest_lines() {
	guest "$(tr -s '\n\t' ' ' <<<"$1")"
}
