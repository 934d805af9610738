#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many writers at once on mediod's tree, for test_churn.sh. RUN is mediod's runtime folder.

churn.py RUN create TYPE FIRST COUNT WRITERS    COUNT instances, numbers FIRST and on, made by WRITERS
churn.py RUN remove TYPE FIRST COUNT WRITERS    the same ones removed
churn.py RUN cycle TYPE FIRST COUNT WRITERS     each made and removed at once
churn.py RUN fight TYPE FIRST COUNT WRITERS     all writers on three UUIDs, COUNT writes each, at random
churn.py RUN load TYPE FIRST COUNT WRITERS      makes instances until mediod is gone; prints those made
churn.py RUN hello UUID...                      each takes a client and answers it
churn.py RUN hold UUID                          stays connected: reads the vendor for each line of input until `quit`

Exit status 1, and a line for each, if something went as it must not.
"""
import errno
import json
import os
import random
import select
import socket
import struct
import sys
import time


def uuid_of(number):
    return f"{number:08x}-1111-4222-8333-{number:012x}"


class Tree:
    def __init__(self, run, kind="mtty-1"):
        self.run = run
        self.create_path = f"{run}/sys/class/mdev_bus/mtty/mdev_supported_types/{kind}/create"
        self.devices = f"{run}/sys/bus/mdev/devices"

    @staticmethod
    def write(path, text):
        """As a shell does it: opened for writing, one write. Gives the errno, 0 if it went well."""
        try:
            fd = os.open(path, os.O_WRONLY)
        except OSError as e:
            return e.errno
        try:
            os.write(fd, text.encode())
            return 0
        except OSError as e:
            return e.errno
        finally:
            os.close(fd)

    def create(self, uuid):
        return self.write(self.create_path, uuid)

    def remove(self, uuid):
        return self.write(f"{self.devices}/{uuid}/remove", "1\n")


def say(what, uuid, err):
    print(f"{what} {uuid}: {errno.errorcode.get(err, err)}", flush=True)


# ---- Writers: each a process, each with its share of the numbers ------------------------------------


def writers(count, work):
    """Run work(index) in count processes; how many of them said that something was wrong."""
    pids = []
    for index in range(count):
        pid = os.fork()
        if pid == 0:
            bad = True
            try:
                bad = work(index)
            finally:
                sys.stdout.flush()
                os._exit(1 if bad else 0)
        pids.append(pid)
    return sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)


def each(tree, first, count, total, *steps):
    """Do steps for every number, shared out among the writers."""

    def work(index):
        bad = 0
        for number in range(first + index, first + count, total):
            for what, step in steps:
                err = step(uuid_of(number))
                if err:
                    say(what, uuid_of(number), err)
                    bad += 1
        return bad

    return writers(total, work)


# What may come of writing to the same UUID as others do.
CREATE_ERRNO = {0, errno.EEXIST, errno.EAGAIN}
REMOVE_ERRNO = {0, errno.ENOENT, errno.ENODEV, errno.EAGAIN}


def fight(tree, first, count, total):
    def work(index):
        rng = random.Random(index)
        balance = [0, 0, 0]
        bad = 0
        for _ in range(count):
            which = rng.randrange(3)
            uuid = uuid_of(first + which)
            if rng.randrange(2):
                err = tree.create(uuid)
                allowed, step, what = CREATE_ERRNO, 1, "create"
            else:
                err = tree.remove(uuid)
                allowed, step, what = REMOVE_ERRNO, -1, "remove"
            if err == 0:
                balance[which] += step
            elif err not in allowed:
                say(what, uuid, err)
                bad += 1
        os.write(out, struct.pack("3i", *balance))
        return bad

    # What was made and not removed is there, once; nothing else is.
    back, out = os.pipe()
    bad = writers(total, work)
    os.close(out)
    sums = [0, 0, 0]
    while data := os.read(back, 12):
        sums = [a + b for a, b in zip(sums, struct.unpack("3i", data))]
    for which, there in enumerate(sums):
        uuid = uuid_of(first + which)
        if there not in (0, 1) or os.path.exists(f"{tree.devices}/{uuid}") != bool(there):
            print(f"{uuid}: created {there} more times than removed, and the tree disagrees")
            bad += 1
        if there == 1:
            tree.remove(uuid)
    return bad


def load(tree, first, count, total):
    def work(index):
        for number in range(first + index, first + count, total):
            uuid = uuid_of(number)
            err = tree.create(uuid)
            if err in (errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.EIO, errno.ENOENT):
                return 0
            if err:
                say("create", uuid, err)
                return 1
            os.write(1, f"{uuid}\n".encode())  # whole lines, whoever else writes
        print("mediod outlived the load")
        return 1

    return writers(total, work)


# ---- A client, the least one --------------------------------------------------------------------------

VERSION, REGION_READ = 1, 9


class Client:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        capabilities = json.dumps({"capabilities": {}}).encode() + b"\0"
        self.call(VERSION, struct.pack("<HH", 0, 1) + capabilities)

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise ConnectionError("the server has gone")
            data += more
        return data

    def call(self, command, payload):
        self.sock.sendall(struct.pack("<HHIII", 7, command, 16 + len(payload), 0, 0) + payload)
        _, _, size, flags, err = struct.unpack("<HHIII", self.receive(16))
        answer = self.receive(size - 16)
        if flags & 0x20:
            raise OSError(err, os.strerror(err))
        return answer

    def vendor(self):
        """Raises ConnectionError if the server closed in order, ConnectionResetError if it did not."""
        if select.select([self.sock], [], [], 0)[0] and not self.sock.recv(1, socket.MSG_PEEK):
            raise ConnectionError("the server has gone")
        answer = self.call(REGION_READ, struct.pack("<QII", 0, 7, 2))
        return struct.unpack_from("<H", answer, 16)[0]


def hello(tree, uuids):
    bad = 0
    for uuid in uuids:
        # The one before may not have left yet, and a worker that died may not be back.
        for tries in range(100):
            client = None
            try:
                client = Client(f"{tree.run}/{uuid}/vfio-user.sock")
                if client.vendor() == 0x4348:
                    break
                why = "another card"
            except OSError as e:
                why = e
            finally:
                if client:
                    client.sock.close()
            time.sleep(0.05)
        else:
            print(f"{uuid}: no answer to a client: {why}")
            bad += 1
    return bad


def hold(tree, uuid):
    client = Client(f"{tree.run}/{uuid}/vfio-user.sock")
    print("connected", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        try:
            print(f"{client.vendor():04x}", flush=True)
        except OSError as e:
            print("gone:", e, flush=True)
    return 0


def main():
    run, what, *args = sys.argv[1:]
    if what in ("hello", "hold"):
        tree = Tree(run)
        return hello(tree, args) if what == "hello" else hold(tree, args[0])
    kind, (first, count, total) = args[0], map(int, args[1:])
    tree = Tree(run, kind)
    create, remove = ("create", tree.create), ("remove", tree.remove)
    if what == "create":
        return each(tree, first, count, total, create)
    if what == "remove":
        return each(tree, first, count, total, remove)
    if what == "cycle":
        return each(tree, first, count, total, create, remove)
    return {"fight": fight, "load": load}[what](tree, first, count, total)


sys.exit(1 if main() else 0)
