# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-3-Clause
# Results of a shell test in TAP, to be sourced. Whoever sources it says with diagnose() what a person needs
# when a check fails.
#
#   check NAME COMMAND...    one test result, "ok" or "not ok", by COMMAND's status, which it returns
#   holds PATTERN            an extended regular expression that a line of $answer matches
#   lacks PATTERN            none does
#   check_finish             the summary; exits 1 if a check failed
checks=0
failures=0
answer=

check() {
	local name=$1

	shift
	checks=$((checks + 1))
	if "$@"; then
		echo "ok $checks - $name"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $checks - $name"
	diagnose
	return 1
}

holds() {
	grep -qE -- "$1" <<<"$answer"
}

lacks() {
	! holds "$1"
}

check_finish() {
	echo "1..$checks"
	[ "$failures" -eq 0 ]
	exit
}
