#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# examples.sh MEDIO COUNTER.SO COUNT COUNTER-SERVER DICE.SO THROW: the examples do what they say, and what cannot be a
# plug-in is refused in words.
set -u
medio=$1 counter=$2 count=$3 server=$4 dice=$5 throw=$6
failed=0
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT

same() {
	[ "$2" = "$3" ] && return
	printf '%s: expected "%s", got "%s"\n' "$1" "$2" "$3"
	failed=1
}

line='scratch 0xcafe, count 2, 1 interrupt'

# shellcheck disable=SC2016 # $uri is medio's
same "as a plug-in" "$line" "$("$medio" serve "$counter" --run "$count "'$uri' 2>&1)"

# shellcheck disable=SC2016
"$medio" serve "$counter" --filter "trace:file=$dir/lines" --run "$count "'$uri' >/dev/null
same "traced" "write bar0+0x4 4 0x00000003 irq 0 pulse" \
	"$(sed -n 's/^[^ ]* //; /0x00000003/ { N; s/\n[^ ]*//; p; }' "$dir/lines")"

"$server" "$dir/counter.sock" &
pid=$!
tries=0
while [ ! -S "$dir/counter.sock" ] && [ $((tries += 1)) -lt 500 ]; do
	sleep 0.01
done
same "by its own program" "$line" "$("$count" "$dir/counter.sock" 2>&1)"
kill "$pid"
wait "$pid"
same "status of counter-server after SIGTERM" 0 $?
pid=
[ ! -e "$dir/counter.sock" ] || same "socket" "removed" "left behind"

# thrown PARAM…: with these parameters the dice give sixteen numbers from 1 to 6.
thrown() {
	# shellcheck disable=SC2016
	said=$("$medio" serve "$dice" "$@" --run "$throw "'$uri' 2>&1)
	case " $said " in
	*[!1-6\ ]*) same "dice $*" "numbers from 1 to 6" "$said" ;;
	esac
	# shellcheck disable=SC2086 # words are what is counted
	set -- $said
	same "how many numbers" 16 $#
}
thrown
thrown sides=6 poll=on
thrown poll=adaptive packed=off
# shellcheck disable=SC2016
same "no dice" "virtio_throw: this card is 0c011234, no dice" \
	"$("$medio" serve "$counter" --run "$throw "'$uri' 2>&1)"

# refused FILE WORD: as a plug-in FILE is refused with a message that has WORD.
refused() {
	said=$("$medio" serve "$1" --run 'echo ran' 2>&1) && same "status for $1" "not 0" 0
	case $said in
	*ran*) same "$1" "nothing run" "$said" ;;
	*"$2"*) ;;
	*) same "$1" "a message with $2" "$said" ;;
	esac
}

echo 'int main;' >"$dir/text.so"
: >"$dir/empty.so"
refused "$dir/none.so" "No such file"
refused "$dir/text.so" "text.so"
refused "$dir/empty.so" "empty.so"
refused "$dir/" "$dir"
refused "$(dirname "$counter")/../lib/libmedio.so" "medio_plugin"

exit $failed
