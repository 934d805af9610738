#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_hostile.sh MEDIOD MEDIO: a user without rights tries everything on a mediod of root's. He is refused,
# the log says so, and nobody else notices him.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
command -v python3 >/dev/null || skip_all "the hostile user needs python3"
command -v setpriv >/dev/null || skip_all "being somebody else needs setpriv"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 # root's
own=83b8f4f2-509f-382f-3c1e-e6bfe0fa1002  # nobody's
other=83b8f4f2-509f-382f-3c1e-e6bfe0fa1003
nobody=65534
types=$run/sys/class/mdev_bus/mtty/mdev_supported_types
devices=$run/sys/bus/mdev/devices
# The build may be in a folder that nobody may look into.
cp "$(dirname "$0")"/{hostile,churn}.py "$work/"
chmod 755 "$work"/*.py
# And so may the first python3 of the path be.
for python in "$(command -v python3)" /usr/bin/python3 ''; do
	[ -n "$python" ] || skip_all "there is no python3 that everybody may run"
	! setpriv --reuid "$nobody" --regid "$nobody" --clear-groups "$python" -c pass 2>/dev/null || break
done

nobody() {
	setpriv --reuid "$nobody" --regid "$nobody" --clear-groups "$@"
}

tries() {
	answer=$(nobody "$python" "$work/hostile.py" "$1" "$run" "${@:2}" 2>&1)
}

# writes FILE TEXT, as bash does it: it tells the errno in words
writes() {
	answer=$(TEXT=$2 bash -c 'printf %s "$TEXT" >"$1"' - "$1" 2>&1)
}

nobody_writes() {
	# shellcheck disable=SC2016 # for his shell
	answer=$(TEXT=$2 nobody bash -c 'printf %s "$TEXT" >"$1"' - "$1" 2>&1)
}

refused_to_write() {
	! nobody_writes "$1" "$2" && holds "$3"
}

logged() {
	answer=$(grep -aiE "$1" "$work/mediod.err" | grep -aE "$nobody|nobody")
	[ -n "$answer" ]
}

# mediod answers others, at once, and is not much larger than it was.
unimpressed() {
	local grown

	answer=$(timeout 60 "$medio" list 2>&1) || return
	holds "$uuid" || return
	echo >&"$client_in"
	IFS= read -r -t 120 answer <&"$client_out"
	[ "$answer" = 4348 ] || return
	grown=$(($(memory_of "$mediod_pid" VmRSS) - memory))
	answer="mediod has grown by $grown KiB"
	[ "$grown" -lt "$allowance" ]
}

value() {
	answer=$(cat "$1" 2>&1)
	[ "$answer" = "$2" ]
}

owned_by() {
	answer=$(grep -E '^(Uid|Gid|NoNewPrivs|CapEff):' "/proc/$1/status")
	holds "^Uid:	$2	$2	$2	$2\$" && holds '^CapEff:	0+$' && holds '^NoNewPrivs:	1$'
}

# In the background, until he is told to end: his first line is in $answer.
keeps() {
	# shellcheck disable=SC2016
	partner setpriv --reuid "$nobody" --regid "$nobody" --clear-groups \
		sh -c 'ulimit -n $(ulimit -Hn); exec "$@"' - "$python" "$work/hostile.py" "$1" "$run" "$2"
	keep_pid=$partner_pid keep_in=$partner_in
}

lets_go() {
	echo quit >&"$keep_in"
	wait "$keep_pid"
}

check "mediod starts" daemon_start --parent mtty,ports=100 --grace 1s || check_finish
check "root makes an instance" writes "$types/mtty-1/create" "$uuid"
partner "$python" "$work/churn.py" "$run" hold "$uuid"
client_out=$partner_out client_in=$partner_in
check "and uses it" test "$answer" = connected
memory=$(memory_of "$mediod_pid" VmRSS)
allowance=16384
if grep -qa __asan_init "$mediod"; then
	allowance=1000000 # sanitizers keep much of what was freed
fi

# ---- Looking is all he may ------------------------------------------------------------------------------

check "the tree refuses him, and looking is allowed" tries tree "$uuid"
check "sockets refuse him" tries sockets "$uuid"
check "the control socket refuses him" tries control "$uuid"
check "the log says who wanted to create" logged 'create'
check "the log says who wanted to remove" logged 'remove|stop'
check "the instance is as it was" value "$devices/$uuid/medio/restart" reset
check "no definition was made" test -z "$(find "$work/etc" -type f)"
check "nobody else notices" unimpressed

# ---- Noise ----------------------------------------------------------------------------------------------

check "garbage is refused" tries garbage "$uuid"
check "nobody else notices" unimpressed
check "mediod takes no more than it can answer" keeps flood "$uuid"
check "- and goes on" holds '^flooding'
check "nobody else notices" unimpressed
lets_go
check "he holds all the connections he can" keeps hold 3000
check "- and files" holds '^holding'
check "nobody else notices" unimpressed
lets_go

# ---- What root lets him have ------------------------------------------------------------------------------

echo secret >"$work/secret"
chmod 600 "$work/secret"
mkdir "$work/his"
chown "$nobody" "$work/his"
check "root lets everybody create" chmod 0222 "$types/mtty-1/create"
check "he makes an instance" nobody_writes "$types/mtty-1/create" "$own"
check "- it is his" owned_by "$(cat "$devices/$own/medio/pid")" "$nobody"
check "- root's instance is not" refused_to_write "$devices/$uuid/remove" 1 'Permission denied'
check "he cannot have a file that he cannot open" refused_to_write "$devices/$own/params/port0" \
	"file:$work/secret" 'Permission denied|Invalid argument'
check "- and the file is as it was" value "$work/secret" secret
check "- nor by a link" refused_to_write "$devices/$own/params/port0" "file:/proc/1/root$work/secret" \
	'Permission denied|Invalid argument'
check "he can have his own" nobody_writes "$devices/$own/params/port0" "file:$work/his/file"
check "- with his name on it" test "$(stat -c %u "$work/his/file")" -eq "$nobody"
check "his instance takes him" nobody "$python" "$work/churn.py" "$run" hello "$own"
check "he cannot give it away" refused_to_write "$devices/$own/medio/owner" 0:0 'Permission denied|not permitted'
check "knocking at it" tries knock "$own"
check "nobody else notices" unimpressed
check "it still takes clients" "$python" "$work/churn.py" "$run" hello "$own"
nobody=65533
check "another user may not remove it" refused_to_write "$devices/$own/remove" 1 'Permission denied'
check "- nor connect" tries sockets "$own"
check "- nor take its UUID" refused_to_write "$types/mtty-1/create" "$own" 'File exists'
nobody=65534
check "he cannot stop root from removing it" writes "$devices/$own/remove" 1
check "- it is gone" test ! -e "$devices/$own"
check "he makes another" nobody_writes "$types/mtty-1/create" "$other"
check "he removes it himself" nobody_writes "$devices/$other/remove" 1
check "nobody else notices" unimpressed

echo quit >&"$client_in"
check "mediod ends" daemon_stop
check "no worker is left" test -z "$(workers)"
check_finish
