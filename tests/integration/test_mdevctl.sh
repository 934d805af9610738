#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_mdevctl.sh MEDIOD MEDIO [MDEVCTL]: the real mdevctl, unmodified, on mediod's tree. MDEVCTL is the
# program, this machine's by default. Version 1.2 knows /sys and /etc only, so it runs in a mount namespace
# where they are ours; later ones take MDEVCTL_ENV_ROOT.
mediod=$1 medio=$2 mdevctl=${3:-mdevctl}
. "$(dirname "$0")/daemon.sh"
command -v "$mdevctl" >/dev/null || skip_all "mdevctl is not installed"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001
other=83b8f4f2-509f-382f-3c1e-e6bfe0fa1002
third=83b8f4f2-509f-382f-3c1e-e6bfe0fa1003
parent=$run/sys/class/mdev_bus/mtty
devices=$run/sys/bus/mdev/devices

mkdir -p "$definitions"/scripts.d/{callouts,notifiers}
# ROOT/sys is the tree, ROOT/etc has the definitions.
root=$work/root
mkdir -p "$root/usr/lib/mdevctl/scripts.d"/{callouts,notifiers}
ln -s "$run/sys" "$root/sys"
ln -s "$work/etc" "$root/etc"
in_namespace=no

# mdevctl as a user has it, under the name NAME: as_user NAME ARG...
as_user() {
	local name=$1

	shift
	if [ "$in_namespace" = yes ]; then
		# shellcheck disable=SC2016 # for the shell inside
		unshare --mount sh -c 'mount --bind "$1/sys" /sys && mount --bind "$2" /etc/mdevctl.d && shift 2 && exec "$@"' \
			- "$run" "$definitions" "$name" "$@"
	else
		MDEVCTL_ENV_ROOT=$root "$name" "$@"
	fi
}

m() {
	said as_user "$mdevctl" "$@"
}

m_fails() {
	local pattern=$1

	shift
	refused "$pattern" as_user "$mdevctl" "$@"
}

# The other program's view, in $answer too.
medio_says() {
	said "$medio" "$@"
}

# json EXPRESSION: a Python expression about doc, which $answer is.
json() {
	python3 -c 'import json, sys
doc = json.load(sys.stdin)
sys.exit(not eval(f"({sys.argv[1]})"))' "$1" <<<"$answer"
}

is_there() {
	[ -e "$devices/$1/mdev_type" ] && [ -S "$run/$1/vfio-user.sock" ]
}

is_gone() {
	[ ! -e "$devices/$1" ] && [ ! -e "$run/$1" ]
}

# value FILE TEXT: what is in a file of the tree.
value() {
	answer=$(cat "$1" 2>&1)
	[ "$answer" = "$2" ]
}

line_of() {
	holds "^$1 mtty $2 $3\$"
}

types() {
	check "types" m types
	check "- has the parent" holds '^mtty$'
	check "- has its types" holds '^  mtty-1$'
	check "- and what they are" holds '^    Name: Dual port serial$'
	check "types --dumpjson" m types --dumpjson
	check "- says how many may be had" json '
		(lambda t: (t["mtty-1"]["available_instances"], t["mtty-2"]["available_instances"],
			t["mtty-2"]["device_api"], t["mtty-1"]["name"]) ==
			(6, 3, "vfio-pci", "Single port serial"))(
		{k: v for item in doc[0]["mtty"] for k, v in item.items()})'
	check "types of a parent" m types -p mtty
	check "types of no parent" m types -p nobody
	check "- has none" lacks 'mtty'
}

start_and_stop() {
	check "start" m start -u "$uuid" -p mtty -t mtty-2
	check "- makes it" is_there "$uuid"
	check "- takes two of the six ports" value "$parent/mdev_supported_types/mtty-1/available_instances" 4
	check "medio sees it" medio_says list
	check "- by its UUID" holds "$uuid"
	check "list" m list
	check "- has it" line_of "$uuid" mtty-2 manual
	check "list --dumpjson" m list --dumpjson
	check "- has it" json 'doc == [{"mtty": [{"'"$uuid"'":
		{"mdev_type": "mtty-2", "start": "manual", "attrs": []}}]}]'
	if [ "$in_namespace" = yes ]; then
		check "lsmdev" said as_user lsmdev
	else
		check "lsmdev" said as_user "$(dirname "$mdevctl")/lsmdev"
	fi
	check "- has it" line_of "$uuid" mtty-2 manual
	check "start again is refused" m_fails 'already exists|File exists' start -u "$uuid" -p mtty -t mtty-2
	check "start of an unknown type is refused" m_fails 'nonsense' start -p mtty -t nonsense
	check "start on an unknown parent is refused" m_fails 'nobody' start -p nobody -t mtty-1
	check "start without a UUID" m start -p mtty -t mtty-2
	local random=$answer
	check "- says the one it made" is_there "$random"
	check "the pool's last" m start -u "$third" -p mtty -t mtty-2
	check "one more is refused" m_fails 'No space left|available' start -u "$other" -p mtty -t mtty-1
	check "- and nothing of it is left" is_gone "$other"
	check "stop" m stop -u "$uuid"
	check "- takes it away" is_gone "$uuid"
	check "stop again is refused" m_fails . stop -u "$uuid"
	check "medio stops what mdevctl started" medio_says stop "$random"
	check "- it is gone" is_gone "$random"
	check "the third too" m stop -u "$third"
	check "list" m list
	check "- is empty" lacks .
}

definitions() {
	m start -u "$uuid" -p mtty -t mtty-2
	check "define what runs" m define -u "$uuid"
	check "define --auto" m define -u "$other" -p mtty -t mtty-1 --auto
	check "define twice is refused" m_fails . define -u "$other" -p mtty -t mtty-1
	check "list -d" m list -d
	check "- has the one that runs" line_of "$uuid" mtty-2 'manual \(active\)'
	check "- has the other" line_of "$other" mtty-1 auto
	check "medio sees the definitions" medio_says list --defined
	check "- the first" holds "$uuid"
	check "- the second" holds "$other"
	check "modify --addattr" m modify -u "$other" --addattr params/port0 --value pty
	check "modify --addattr, a second" m modify -u "$other" --addattr medio/restart --value never
	check "list -d -v" m list -d -v
	check "- has the attributes" holds 'params/port0.*pty'
	check "start as defined" m start -u "$other"
	check "- it is there" is_there "$other"
	check "- with its parameter" value "$devices/$other/params/port0" pty
	check "- and the other attribute" value "$devices/$other/medio/restart" never
	check "stop it" m stop -u "$other"
	check "an attribute that cannot be" m modify -u "$other" --addattr params/port0 --value 'no-such-plug'
	check "start fails with the kernel's words" m_fails 'Invalid argument' start -u "$other"
	check "- and nothing is left" settles is_gone "$other"
	check "modify --delattr" m modify -u "$other" --delattr --index 2
	check "an attribute that is not there" m modify -u "$other" --addattr medio/no-such --value 1
	check "start fails" m_fails "Invalid attribute" start -u "$other"
	check "- and nothing is left" settles is_gone "$other"
	check "modify --delattr again" m modify -u "$other" --delattr
	check "modify --manual" m modify -u "$other" --manual
	check "list -d --dumpjson" m list -d -u "$other" --dumpjson
	check "- says so" json 'doc == {"mdev_type": "mtty-1", "start": "manual",
		"attrs": [{"params/port0": "pty"}, {"medio/restart": "never"}]}'
	printf '%s' "$answer" >"$work/saved"
}

both_tools() {
	check "medio defines" medio_says define --uuid "$third" mtty-1 params/port0=null
	check "mdevctl sees it" m list -d -u "$third" --dumpjson
	check "- with its attribute" json '(doc["mdev_type"], doc["attrs"]) ==
		("mtty-1", [{"params/port0": "null"}])'
	check "mdevctl changes it" m modify -u "$third" --auto
	check "medio sees that" medio_says list --defined --json
	check "- it is automatic" json 'any(d["uuid"] == "'"$third"'" and d["auto"]
		for d in (doc["definitions"] if isinstance(doc, dict) else doc))'
	check "start-parent-mdevs" m start-parent-mdevs mtty
	check "- starts what is automatic" is_there "$third"
	check "- leaves alone what is not" is_gone "$other"
	check "start-parent-mdevs again" m start-parent-mdevs mtty
	check "stop" m stop -u "$third"
	check "medio undefines what mdevctl defined" medio_says undefine "$other"
	check "mdevctl undefines what medio defined" m undefine -u "$third"
	check "undefine again is refused" m_fails . undefine -u "$third"
	check "define --jsonfile" m define -u "$other" -p mtty --jsonfile "$work/saved"
	check "medio starts it" medio_says start "$other"
	check "- it is there" is_there "$other"
	check "- with its attribute" value "$devices/$other/medio/restart" never
	check "list" m list -u "$other"
	check "- has it" line_of "$other" mtty-1 'manual \(defined\)'
	m undefine -u "$other"
	m undefine -u "$uuid"
	m stop -u "$other"
	m stop -u "$uuid"
	check "no definition is left" test -z "$(find "$definitions" -type f)"
}

check "mediod starts" daemon_start --parent mtty,ports=6 || check_finish
[[ $("$mdevctl" --version 2>/dev/null) != *" 1.2."* ]] || in_namespace=yes
if [ "$in_namespace" = yes ] && [ ! -d /etc/mdevctl.d ]; then
	skip_all "there is no /etc/mdevctl.d to put ours on"
fi
types
start_and_stop
definitions
both_tools
check "mediod ends" daemon_stop
check "no worker is left" test -z "$(workers)"
check_finish
