#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_definitions.sh MEDIOD MEDIO: what is written down with medio define, modify and undefine, what becomes
# of it when mediod starts, and as whom.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa2001
other=83b8f4f2-509f-382f-3c1e-e6bfe0fa2002
uid=54321
gid=54322

m() {
	said "$medio" "$@"
}

# As somebody who may create, and nothing else.
as_user() {
	setpriv --reuid "$uid" --regid "$gid" --clear-groups "$medio" "$@"
}

# file UUID TEXT: all that is in its file, blanks aside.
file() {
	answer=$(cat "$definitions/mtty/$1" 2>&1)
	[ "$(tr -d ' \n' <<<"$answer")" = "$2" ]
}

no_file() {
	[ ! -e "$definitions/mtty/$1" ]
}

# A worker becomes its user before it serves, but not before it is there.
runs_as() {
	local pid

	pid=$(cat "$run/sys/bus/mdev/devices/$1/medio/pid") || return
	answer=$(grep -E '^[UG]id:' "/proc/$pid/status")
	holds "^Uid:	$2	$2	$2	$2\$" && holds "^Gid:	$3	$3	$3	$3\$"
}

is_gone() {
	[ ! -e "$run/sys/bus/mdev/devices/$1" ]
}

define() {
	check "define" m define --uuid "$uuid" mtty-2 port0=pty -f trace -r never
	check "- says the UUID and nothing else" [ "$answer" = "$uuid" ]
	check "- writes it down" file "$uuid" \
		'{"mdev_type":"mtty-2","start":"manual","attrs":[{"medio/filters":"trace"},{"medio/restart":"never"},{"params/port0":"pty"}]}'
	check "- starts nothing" is_gone "$uuid"
	check "again is refused" refused 'is defined already' "$medio" define --uuid "$uuid" mtty-2
	check "define with a wrong type is refused" refused "did you mean 'mtty-2'" "$medio" define mtty-22
	check "define with a wrong parameter is refused" refused "did you mean 'port0'" "$medio" define mtty-2 prot0=pty
	check "define with a wrong policy is refused" refused 'never' "$medio" define mtty-2 -r sometimes
	check "define with a wrong attribute is refused" refused "medio/mode" "$medio" define mtty-2 medio/mod=1
	check "only one is there" [ "$(find "$definitions" -type f | wc -l)" -eq 1 ]
}

modify() {
	check "modify" m modify "$uuid" --auto port0=echo port1=null -d medio/restart
	check "- changes in place, adds at the end" file "$uuid" \
		'{"mdev_type":"mtty-2","start":"auto","attrs":[{"medio/filters":"trace"},{"params/port0":"echo"},{"params/port1":"null"}]}'
	check "an attribute it has not cannot be left out" refused 'Known: .*params/port1' "$medio" modify "$uuid" -d port2
	check "a type without these parameters is refused" refused "port1" "$medio" modify "$uuid" --type mtty-1
	check "- and nothing has changed" file "$uuid" \
		'{"mdev_type":"mtty-2","start":"auto","attrs":[{"medio/filters":"trace"},{"params/port0":"echo"},{"params/port1":"null"}]}'
	check "modify type and parameters together" m modify "$uuid" --manual --type mtty-1 -d port1 -d medio/filters
	check "- does" file "$uuid" '{"mdev_type":"mtty-1","start":"manual","attrs":[{"params/port0":"echo"}]}'
	check "modify of nothing is refused" refused 'is not defined' "$medio" modify "$other" --auto
}

take_over() {
	check "start" m start mtty-2 -u "$other" port1=null -f trace
	check "define what runs" m define "$other"
	check "- has what makes the same" file "$other" \
		'{"mdev_type":"mtty-2","start":"manual","attrs":[{"params/port1":"null"},{"medio/filters":"trace"},{"medio/restart":"reset"}]}'
	check "undefine" m undefine "$other" "$uuid"
	check "- forgets both" test -z "$(find "$definitions" -type f)"
	check "- and lets run what runs" test -S "$run/$other/vfio-user.sock"
	check "undefine again is refused" refused 'is not defined' "$medio" undefine "$other"
	check "stop" m stop "$other"
}

owners() {
	check "a user defines" said as_user define -u "$uuid" mtty-1 --auto port0=pty
	check "- for himself" file "$uuid" \
		'{"mdev_type":"mtty-1","start":"auto","attrs":[{"medio/owner":"'"$uid:$gid"'"},{"params/port0":"pty"}]}'
	check "- also if he says otherwise" said as_user modify "$uuid" medio/owner=0:0
	check "- it stays his" file "$uuid" \
		'{"mdev_type":"mtty-1","start":"auto","attrs":[{"medio/owner":"'"$uid:$gid"'"},{"params/port0":"pty"}]}'
	check "he starts it" said as_user start "$uuid"
	check "- and its worker is his" settles runs_as "$uuid" "$uid" "$gid"
	check "he stops it" said as_user stop "$uuid"
	check "root defines" m define -u "$other" mtty-1 --auto
	check "he cannot modify that" refused 'not yours' as_user modify "$other" --manual
	check "nor undefine it" refused 'not yours' as_user undefine "$other"
	check "it is as it was" file "$other" '{"mdev_type":"mtty-1","start":"auto","attrs":[]}'
}

by_itself() {
	printf nonsense >"$definitions/mtty/83b8f4f2-509f-382f-3c1e-e6bfe0fa2003"
	check "mediod ends" daemon_stop
	check "mediod starts again" daemon_start --parent mtty --group "$group"
	check "what is automatic is there" settles test -S "$run/$other/vfio-user.sock"
	check "- as root" settles runs_as "$other" 0 0
	check "the user's too" settles test -S "$run/$uuid/vfio-user.sock"
	check "- as him" settles runs_as "$uuid" "$uid" "$gid"
	check "he may connect" [ "$(stat -c %u "$run/$uuid/vfio-user.sock")" = "$uid" ]
	check "he stops it" said as_user stop "$uuid"
	answer=$(cat "$work/mediod.err")
	check "what cannot be read is told" holds 'definition left out: .*fa2003: no JSON'
	check "mediod ends" daemon_stop
}

# A group of this machine that has a number the user can be given.
group=$(getent group | awk -F: '$3 > 0 { print $1; exit }')
gid=$(getent group "$group" | cut -d: -f3)
check "mediod starts" daemon_start --parent mtty --group "$group" || check_finish
define
modify
take_over
owners
by_itself
check "no worker is left" settles test -z "$(workers)"
check_finish
