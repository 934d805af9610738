# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# edu_try in the guest, to be sourced after guest.sh.
#
#   edu_program MEDIO            finds it beside the program of the same build: $edu_try
#   try URI PART…                runs a part; $answer is what it said
#   tells PATTERN URI PART…      succeeds if that did, and said this
#   refused PATTERN URI PART…    succeeds if that failed, and said why

edu_program() {
	edu_try=$(dirname "$1")/../tests/guest/edu_try
	[ -x "$edu_try" ] || {
		echo "${0##*/}: there is no program $edu_try" >&2
		exit 1
	}
}

try() {
	guest edu_try "$@"
	local status=$?
	printf '%s' "$answer" | sed 's/^/# /'
	return "$status"
}

tells() {
	local words=$1

	shift
	try "$@" && holds "$words"
}

refused() {
	local words=$1

	shift
	! try "$@" && holds "$words"
}
