#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a user without rights tries on a mediod, for test_hostile.sh, which runs it as nobody.

hostile.py WHAT RUN [ARGUMENT]: RUN is mediod's runtime folder; WHAT is a function below. Exit status 1, and
a line for each, if something was allowed or was refused in another way than it must be.
"""
import errno
import glob
import json
import os
import random
import socket
import sys
import time

bad = 0


def wrong(text):
    global bad
    bad += 1
    print(text, flush=True)


def expect(what, allowed, call, *args):
    """call must fail with one of the errno names allowed."""
    try:
        call(*args)
        name = "it was allowed"
    except OSError as e:
        name = errno.errorcode.get(e.errno, str(e.errno))
    if name not in allowed:
        wrong(f"{what}: {name}, expected {' or '.join(allowed)}")


def write(path, data, flags=0):
    fd = os.open(path, os.O_WRONLY | flags)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


def parents(run):
    return f"{run}/sys/class/mdev_bus/mtty"


def instance(run, uuid):
    return f"{run}/sys/bus/mdev/devices/{uuid}"


# ---- The tree -----------------------------------------------------------------------------------------


def tree(run, uuid):
    """Everything that can be written, and everything a file system can be asked for."""
    types = f"{parents(run)}/mdev_supported_types/mtty-1"
    new = b"83b8f4f2-509f-382f-3c1e-e6bfe0fafff0"
    expect("create", ["EACCES"], write, f"{types}/create", new)
    expect("create, truncated", ["EACCES"], write, f"{types}/create", new, os.O_CREAT | os.O_TRUNC)
    own = instance(run, uuid)
    for name, text in (
        ("remove", b"1"),
        ("params/port0", b"null"),
        ("medio/restart", b"never"),
        ("medio/owner", b"65534:65534"),
        ("medio/mode", b"0666"),
        ("medio/filters", b"trace"),
        ("driver/unbind", uuid.encode()),
    ):
        expect(name, ["EACCES"], write, f"{own}/{name}", text)
    for path in (f"{types}/create", f"{own}/remove", f"{own}/params/port0", own, types):
        expect(f"chmod {path}", ["EPERM", "EACCES"], os.chmod, path, 0o777)
        expect(f"chown {path}", ["EPERM", "EACCES"], os.chown, path, 65534, 65534)
    for folder in (f"{run}/sys", own, types, f"{types}/devices", f"{run}/sys/bus/mdev/devices"):
        for what, call, args in (
            ("mkdir", os.mkdir, (f"{folder}/x",)),
            ("a file", write, (f"{folder}/x", b"x", os.O_CREAT)),
            ("symlink", os.symlink, ("/etc/shadow", f"{folder}/x")),
            ("mknod", os.mknod, (f"{folder}/x", 0o600)),
            ("unlink", os.unlink, (f"{folder}/remove",)),
            ("rename", os.rename, (f"{folder}/remove", f"{folder}/y")),
        ):
            allowed = ["EACCES", "EPERM", "EROFS", "ENOENT", "ENOSYS", "EOPNOTSUPP"]
            expect(f"{what} in {folder}", allowed, call, *args)
    expect("truncate", ["EACCES", "EPERM", "EINVAL"], os.truncate, f"{own}/remove", 0)
    for path in (f"{types}/available_instances", f"{own}/mdev_type/name", f"{own}/medio/state"):
        with open(path, "rb") as f:
            if not f.read():
                wrong(f"{path}: looking is for everybody")


def sockets(run, uuid):
    """Nobody's way to a device, nor to a worker."""
    sock = socket.socket(socket.AF_UNIX)
    expect("connect", ["EACCES"], sock.connect, f"{run}/{uuid}/vfio-user.sock")
    expect("look at workers", ["EACCES"], os.listdir, f"{run}/workers")
    if glob.glob(f"{run}/workers/*"):
        wrong("the sockets of workers can be seen")
    for path in (f"{run}/x", f"{run}/{uuid}/x", f"{run}/83b8f4f2-509f-382f-3c1e-e6bfe0faffff"):
        expect(f"mkdir {path}", ["EACCES"], os.mkdir, path)
    for path in (f"{run}/control", f"{run}/{uuid}/vfio-user.sock", f"{run}/{uuid}/instance.json"):
        expect(f"unlink {path}", ["EACCES"], os.unlink, path)
        expect(f"chmod {path}", ["EPERM"], os.chmod, path, 0o777)


# ---- The control socket -------------------------------------------------------------------------------


class Control:
    def __init__(self, run):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(f"{run}/control")
        self.left = b""

    def line(self):
        while b"\n" not in self.left:
            more = self.sock.recv(65536)
            if not more:
                return None
            self.left += more
        line, _, self.left = self.left.partition(b"\n")
        return line

    def ask(self, **request):
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(self.line())


def control(run, uuid):
    """Every operation, asked by somebody who may only look."""
    c = Control(run)
    new = "83b8f4f2-509f-382f-3c1e-e6bfe0fafff0"
    refused = [
        dict(op="start", type="mtty-1", uuid=new),
        dict(op="start", type="mtty-1", params=["port0=file:/etc/shadow"]),
        dict(op="stop", uuid=uuid),
        dict(op="stop", uuid=uuid, now=True),
        dict(op="set", uuid=uuid, attr="params/port0", value="null"),
        dict(op="set", uuid=uuid, attr="medio/owner", value="65534:65534"),
        dict(op="define", type="mtty-1", uuid=new),
        dict(op="define", uuid=uuid),
        dict(op="modify", uuid=uuid, auto=True),
        dict(op="undefine", uuid=uuid),
        dict(op="reload"),
        dict(op="leave"),
        dict(op="quit"),
    ]
    for request in refused:
        answer = c.ask(**request)
        if answer.get("ok") or answer.get("errno") not in ("EACCES", "EPERM"):
            wrong(f"{request}: {answer}")
    # Nor by names that lead elsewhere: refused, for whatever reason.
    for name in ("../../etc", "/etc/passwd", "..", "", "x" * 5000, "mtty/../..", "a\0b", "\u00e9"):
        for request in (
            dict(op="define", type="mtty-1", parent=name),
            dict(op="define", type=name, uuid=new),
            dict(op="undefine", uuid=name),
            dict(op="start", uuid=name, parent=name),
            dict(op="stop", uuid=name),
            dict(op="get", uuid=uuid, attr=name or "x"),
            dict(op="set", uuid=uuid, attr=name, value=name),
            dict(op=name),
        ):
            answer = c.ask(**request)
            if answer.get("ok"):
                wrong(f"{request}: {answer}")
    for request in (dict(op="hello"), dict(op="list"), dict(op="types"), dict(op="stats")):
        answer = c.ask(**request)
        if not answer.get("ok"):
            wrong(f"looking is for everybody, {request}: {answer}")
    if c.ask(op="list", id=[1, {"a": None}]).get("id") != [1, {"a": None}]:
        wrong("an answer has not its id")


def garbage(run, uuid):
    """Lines that are no requests. The connection may end; that is all."""
    rng = random.Random(1)
    lines = [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"17",
        b'"op"',
        b"{",
        b'{"op":}',
        b'{"op":17}',
        b'{"op":null}',
        b'{"op":["list"]}',
        b'{"op":"list","uuid":17}',
        b'{"op":"list","uuid":{}}',
        b'{"op":"start","params":"x"}',
        b'{"op":"start","type":"mtty-1","params":[1,2,{}]}',
        b'{"op":"define","attrs":[[],{},{"a":1,"b":2}]}',
        b'{"op":"modify","uuid":"x","index":-1,"add":[{}]}',
        b'{"op":"list","op":"quit"}',
        b"[" * 60000,
        b'{"a":' * 10000,
        b'{"op":"' + b"x" * 60000 + b'"}',
        b"\xff\xfe\x00\x01",
        b'{"op":"list\x00"}',
        b"\0" * 1000,
        b"x" * 70000,
        b'{"op":"list"}' * 1000,
    ]
    for _ in range(200):
        lines.append(bytes(rng.randrange(256) for _ in range(rng.randrange(300))))
    for line in lines:
        c = Control(run)
        try:
            c.sock.sendall(line + b"\n")
            c.sock.shutdown(socket.SHUT_WR)
            while (answer := c.line()) is not None:
                json.loads(answer)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except socket.timeout:
            wrong(f"no answer and no end: {line[:60]!r}")
        except ValueError:
            wrong(f"an answer that is no JSON: {answer[:80]!r}")
        c.sock.close()
    # Half a line, then nothing.
    halves = [Control(run) for _ in range(20)]
    for c in halves:
        try:
            c.sock.sendall(b'{"op":"li')
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused: mediod still has others of ours to end
    for c in halves:
        c.sock.close()


def flood(run, uuid):
    """Requests whose answers nobody reads: mediod has to stop taking them."""
    conns = [Control(run) for _ in range(8)]
    block = b'{"op":"types"}\n' * 500
    stalled = 0
    for c in conns:
        c.sock.setblocking(False)
        sent = 0
        idle = time.monotonic()
        while sent < 50_000_000 and time.monotonic() - idle < 0.3:
            try:
                sent += c.sock.send(block)
                idle = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break
        stalled += sent < 50_000_000
    if stalled != len(conns):
        wrong("mediod takes requests without end though nobody reads the answers")
    print("flooding", flush=True)
    sys.stdin.readline()


def hold(run, count):
    """Connections to the control socket that stay open, and files of the tree."""
    conns = []
    refused = None
    for _ in range(int(count)):
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(f"{run}/control")
        except OSError as e:
            refused = e
            sock.close()
            continue
        conns.append(sock)
    files = [os.open(f"{parents(run)}/mdev_supported_types/mtty-1/name", os.O_RDONLY) for _ in range(500)]
    print(f"holding {len(conns)} connections, {len(files)} files ({refused})", flush=True)
    sys.stdin.readline()


# ---- An instance of one's own ---------------------------------------------------------------------------


def knock(run, uuid):
    """Clients that connect and say nothing, or nonsense, or go at once."""
    path = f"{run}/{uuid}/vfio-user.sock"
    rng = random.Random(2)
    kept = []
    for n in range(400):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        try:
            sock.connect(path)
            if n % 3 == 1:
                sock.sendall(bytes(rng.randrange(256) for _ in range(100)))
        except socket.timeout:
            pass
        except OSError as e:
            if e.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EAGAIN):
                wrong(f"connect: {e}")
        kept.append(sock)
        if n % 3 == 2:
            sock.close()
        if len(kept) > 40:
            kept.pop(0).close()
    print("knocking", flush=True)


def main():
    globals()[sys.argv[1]](*sys.argv[2:])


main()
sys.exit(1 if bad else 0)
