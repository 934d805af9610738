#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# command_line.sh MEDIO: what the command line accepts and how it refuses. Exit 1 if not so.
set -u
medio=$1
failed=0

# expect CODE WORDS ARG…: medio ARG… exits with CODE and says WORDS.
expect()
{
	code=$1 words=$2
	shift 2
	out=$("$medio" "$@" 2>&1 </dev/null)
	got=$?
	case $out in
	*"$words"*) ;;
	*) got="$got without '$words'" ;;
	esac
	[ "$got" = "$code" ] && return
	echo "medio $*: $code with '$words' expected, got $got:"
	echo "$out"
	failed=1
}

expect 2 'Usage: medio COMMAND'
expect 0 'Usage: medio COMMAND' --help
expect 0 'medio ' --version
expect 2 'did you mean lspci?' lspc
expect 2 'did you mean lspci?' lsp
expect 2 'no command' frobnicate-everything
expect 0 'Usage: medio lspci' lspci --help
expect 0 'Usage: medio lspci' lspci -vh /nowhere
expect 0 '*--linger* _MS_' --dump-man console
expect 2 'needs COMMAND' --dump-man
expect 2 'DEVICE is missing' lspci
expect 2 'say a TYPE' define
expect 2 'say it once' define mtty-1 --type mtty-2
expect 2 'exclude each other' modify 83b8f4f2-509f-382f-3c1e-e6bfe0fa2001 --auto --manual
expect 2 'UUID… is missing' undefine
expect 2 "'b' is one argument too many" lspci /a b
expect 2 'did you mean --verbose?' lspci --verbos /nowhere
expect 2 'no option -q' lspci -vq /nowhere
expect 2 '--json takes no value' lspci --json=1 /nowhere
expect 2 '--port needs N' console /nowhere --port
expect 2 'allowed are 0 to 5' console /nowhere --port 6
expect 2 'allowed are 0 to 5' console /nowhere --port=-1
expect 2 'allowed are 0 to 5' console /nowhere -p 1x
expect 2 'allowed are 0 to 5' console /nowhere --port=
expect 2 '--escape is' console /nowhere --escape=ab
expect 2 'exclude each other' io /nowhere --read 0 --bench read
expect 2 'say --yes-overwrite' io /nowhere --write 0
expect 2 'say --yes-overwrite' io /nowhere --copy-from /dev/null
expect 2 'say --yes-overwrite' io /nowhere --bench randwrite
expect 2 "'read' must be a size" io /nowhere --read 1x
expect 2 "'time' must be a time" io /nowhere --bench read --time 5x
expect 2 'allowed are 1 to 256' io /nowhere --bench read --qd 257
expect 2 'there are randread' io /nowhere --bench copy
expect 2 'there are msix' io /nowhere --irq vector
expect 2 '--count goes with' io /nowhere --count 1K
expect 2 'cannot have it too' io /nowhere --read 0 --json
expect 2 'exclude each other' net /nowhere --receive --echo
expect 2 'go with --receive' net /nowhere --count 1
expect 2 '--count does not go with it' net /nowhere --exchange 1M --count 1
expect 2 'say how many bytes' net /nowhere --exchange 0
expect 2 "'generate' must be a size" net /nowhere --generate many
expect 2 '--size goes with --exchange' net /nowhere --echo --size 100
expect 2 '--to goes with' net /nowhere --receive --to 52:54:00:12:34:56
expect 2 'an address is like 52:54' net /nowhere --generate 60 --to 52:54:00:12:34
expect 2 'an address is like 52:54' net /nowhere --generate 60 --to 52:54:00:12:34:5x
expect 2 'cannot have it too' net /nowhere --receive --json --pcap -
expect 2 'there are msix' net /nowhere --irq vector
# From here on the line is right, and the device is not there.
expect 1 '/nowhere: ' lspci /nowhere
expect 1 '/nowhere: ' lspci -vvxxx --json -nn /nowhere
expect 1 '/nowhere: ' lspci -- /nowhere
expect 1 './-v: ' lspci -- ./-v
expect 1 '/nowhere: ' console -p5 -e^A --linger=0x10 /nowhere
expect 1 'no PCI device 7fff:1f:1f.7' lspci vfio:7fff:1f:1f.7
expect 1 'no PCI device 7fff:1f:1f.7' steps vfio:7fff:1f:1f.7
expect 0 'config+0x0: 0x32534348' steps local:mtty-2
expect 0 '"step":"Open it","call":"attach ' steps --json local:mtty-2
expect 1 'no such kind of device' lspci nonsense
expect 1 'vfio:0000:01:00.0' net 01:00.0
expect 1 'no serial port 0; no other BAR' console local:edu
expect 1 '/nowhere: ' io --write 4K --count 1M --yes-overwrite /nowhere
expect 1 'no disk that there is a driver for' io local:mtty-2
exit $failed
