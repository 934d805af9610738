#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_net_worker.sh MEDIOD MEDIO: cards with networks in workers of mediod, which are locked in: a user network goes on to make
# sockets, reads the name servers and serves files; a socket connects again; a tap changes what it offers. In namespaces of
# their own, with nothing but lo and a tap.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
command -v python3 >/dev/null || skip_all "frames are made with python3"
if [ -z "${MEDIO_TEST_NETLESS:-}" ]; then
	unshare --net true 2>/dev/null || skip_all "it takes root and a network namespace"
	MEDIO_TEST_NETLESS=1 exec unshare --net "$0" "$@"
fi
! "$mediod" --version | grep -q 'without.*tree' || skip_all "this build has no tree"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa2001
python=$work/net.py

# up | tap NAME | frames FILE PORT | udp PORT | serve PATH | heard FILE WORDS
cat >"$python" <<'PY'
import fcntl, socket, struct, sys, time

GUEST, HOST, DNS = bytes([10, 0, 2, 15]), bytes([10, 0, 2, 2]), bytes([10, 0, 2, 3])
MAC, GATE = bytes.fromhex('525400123456'), bytes.fromhex('52550a000202')


def total(data):
    data += b'\0' * (len(data) % 2)
    value = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return ~value & 0xffff


def udp(to, here, there, data):
    head = struct.pack('>BBHHHBBH', 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0) + GUEST + to
    head = head[:10] + struct.pack('>H', total(head)) + head[12:]
    return GATE + MAC + b'\x08\0' + head + struct.pack('>HHHH', here, there, 8 + len(data), 0) + data


def frames(port):
    arp = GATE + MAC + b'\x08\x06' + struct.pack('>HHBBH', 1, 0x800, 6, 4, 2) + MAC + GUEST + GATE + HOST
    query = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\x07example\x03org\0\0\x01\0\x01'
    return [arp, udp(HOST, 1000, port, b'hello'), udp(HOST, 1001, 69, b'\0\1/boot\0octet\0'), udp(DNS, 1002, 53, query)]


def interface_up(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack('16sh22x', name.encode(), 1))  # SIOCSIFFLAGS, IFF_UP


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == 'up':
        interface_up('lo')
    elif what == 'tap':
        with open('/dev/net/tun', 'r+b', buffering=0) as tun:
            fcntl.ioctl(tun, 0x400454ca, struct.pack('16sh22x', args[0].encode(), 0x5002))  # TUNSETIFF
            fcntl.ioctl(tun, 0x400454cc, 0)  # TUNSETOWNER
            fcntl.ioctl(tun, 0x400454cb, 1)  # TUNSETPERSIST
        interface_up(args[0])
    elif what == 'frames':
        with open(args[0], 'wb') as out:
            out.write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for frame in frames(int(args[1])):
                out.write(struct.pack('<IIII', 0, 0, len(frame), len(frame)) + frame)
    elif what == 'udp':
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(('127.0.0.1', int(args[0])))
        print('ready', flush=True)
        sock.settimeout(20)
        print(sock.recv(100).decode(), flush=True)
    elif what == 'serve':
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(args[0])
        sock.listen(1)
        print('ready', flush=True)
        for _ in range(2):
            peer, _ = sock.accept()
            size = struct.unpack('>I', peer.recv(4, socket.MSG_WAITALL))[0]
            print('frame', size, flush=True)
            peer.close()
    elif what == 'heard':
        with open(args[0], 'rb') as record:
            sys.exit(args[1].encode() not in record.read())


main()
PY

value() {
	answer=$(cat "$run/sys/bus/mdev/devices/$uuid/$1" 2>&1)
	[ "$answer" = "$2" ]
}

starts() {
	said "$medio" start --uuid "$uuid" virtio-net "$@"
}

stops() {
	value medio/state running && said "$medio" stop "$uuid"
}

sends() {
	said timeout 120 "$medio" net "$uuid" --send "$work/frames"
}

hears() {
	IFS= read -r -t 120 answer <&"$partner_out" && [ "$answer" = "$1" ]
}

partner_ends() {
	exec {partner_in}>&- {partner_out}<&-
	wait "$partner_pid"
}

recorded() {
	settles python3 "$python" heard "$work/record" "$1"
}

logged() {
	answer=$(tail -n 50 "$work/mediod.err")
	holds "$1"
}

user_network() {
	mkdir "$work/tftp"
	echo "this is served" >"$work/tftp/boot"
	if ! starts user=on "tftp=$work/tftp" hostfwd=tcp::5002-:22 "pcap=$work/record" && holds 'without libslirp'; then
		echo "# this build has no user network"
		return
	fi
	check "a card with a user network starts" value medio/state running
	check "a datagram's receiver is there" partner python3 "$python" udp 5001
	check "its driver sends" sends
	check "- and the datagram comes out" hears hello
	check "- and the file comes in" recorded "this is served"
	check "its worker lives, and stops" stops
	partner_ends
}

socket_network() {
	check "a peer is there" partner python3 "$python" serve "$work/peer"
	check "a card with a socket starts" starts "socket=unix:$work/peer"
	check "its driver sends" sends
	check "- and the peer hears it" hears "frame 42"
	check "the peer went, and the card came again" settles value net/link up
	check "its driver sends again" sends
	check "- and the peer hears it" hears "frame 42"
	check "its worker lives, and stops" stops
	partner_ends
}

tap_network() {
	if ! said python3 "$python" tap tap5; then
		echo "# a tap cannot be made here: $answer"
		return
	fi
	check "a card with a tap starts" starts tap=tap5
	check "its driver sends" sends
	check "- as the kernel counts" test "$(cat /sys/class/net/tap5/statistics/rx_packets 2>/dev/null)" != 0
	check "its worker lives, and stops" stops
}

shared_worker() {
	check "mediod ends" daemon_stop
	check "- and begins with workers that are shared" daemon_start --parent virtio-net,per-worker=4
	# A build with a sanitizer locks nobody in.
	if grep -q 'sandboxed without seccomp' "$work/mediod.err"; then
		echo "# this build has no seccomp: a user network would not be refused"
	else
		check "a user network is refused there, in words" refused 'per-worker=.* give it one of its own' \
			"$medio" start --uuid "$uuid" virtio-net user=on
	fi
	check "a switch is not" starts switch=a
	check "- and lives" stops
}

check "lo is up" said python3 "$python" up
check "frames are made" said python3 "$python" frames "$work/frames" 5001
check "mediod starts" daemon_start || check_finish
user_network
socket_network
tap_network
shared_worker
check "nobody was killed" eval '! logged "was killed by"'
daemon_stop
check_finish
