#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The other end of a virtio-net card with socket=listen-unix:PATH.

frames.py PATH send N          N frames of 60 to 1514 bytes; prints how many bytes that was, without the lengths
frames.py PATH count SECONDS   takes frames until none has come for so long; prints how many, and of which sizes
"""
import socket
import struct
import sys


def peer(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    return s


def send(s, count):
    total = 0
    for i in range(count):
        size = 60 + i * 7 % 1455
        frame = bytes.fromhex("525400000001525400000002") + b"\x88\xb5"
        frame += struct.pack(">I", i)
        frame += b"\x5a" * (size - len(frame))
        s.sendall(struct.pack(">I", size) + frame)
        total += size
    print(total, flush=True)
    # Until the card has taken all: it hangs up, or is ended.
    try:
        s.recv(1)
    except OSError:
        pass


def count(s, quiet):
    data, at, frames, sizes = b"", 0, 0, set()
    print("ready", flush=True)
    while True:
        try:
            more = s.recv(1 << 20)
        except socket.timeout:
            break
        if not more:
            break
        if not frames:
            s.settimeout(quiet)
        data, at = data[at:] + more, 0
        while len(data) - at >= 4:
            (size,) = struct.unpack_from(">I", data, at)
            if len(data) - at < 4 + size:
                break
            at += 4 + size
            frames += 1
            sizes.add(size)
    print(frames, *sorted(sizes))


def main():
    s = peer(sys.argv[1])
    if sys.argv[2] == "send":
        send(s, int(sys.argv[3]))
    else:
        count(s, float(sys.argv[3]))


main()
