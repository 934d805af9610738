#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""medio run as a job of a shell's at a terminal: stopped, continued, interrupted. run_jobs.py MEDIO"""
import os
import pty
import select
import shutil
import signal
import sys
import time

medio = sys.argv[1]
PATIENCE = 100


class Shell:
    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="PROMPT> ", TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "--noediting", "-i"])
        self.seen = b""

    def until(self, words):
        """What the terminal shows up to and with these words."""
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            if time.monotonic() > end:
                raise TimeoutError(f"no {words!r} in {self.seen!r}")
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 4096)
        before, _, self.seen = self.seen.partition(words)
        return before + words

    def say(self, line):
        os.write(self.fd, line.encode() + b"\n")

    def key(self, byte):
        os.write(self.fd, byte)

    def run(self, line):
        self.until(b"PROMPT> ")
        self.say(line)
        self.until(b"\r\n")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def stop_and_continue(shell):
    shell.run(f"{medio} run -q -d mtty-2 -- sh -c 'echo be''gun; exec cat'")
    shell.until(b"begun\r\n")
    shell.key(b"\x1a")
    shell.until(b"Stopped")
    shell.run("jobs")
    shell.until(b"Stopped")
    shell.run("fg")
    # What is typed before the terminal is the program's again may be lost.
    for n in range(PATIENCE):
        shell.say(f"line {n}")
        time.sleep(0.2)
        if select.select([shell.fd], [], [], 0)[0]:
            shell.seen += os.read(shell.fd, 4096)
        if shell.seen.count(f"line {n}\r\n".encode()) == 2:  # the terminal's echo, and cat's
            break
    else:
        raise AssertionError("it does not go on")
    shell.key(b"\x04")
    shell.run("echo status=$?")
    shell.until(b"status=0\r\n")


def interrupt(shell):
    shell.run(f"{medio} run -q -d mtty-2 -- sh -c 'echo be''gun; exec sleep 1000'")
    shell.until(b"begun\r\n")
    shell.key(b"\x03")
    shell.run("echo status=$?")
    shell.until(b"status=130\r\n")


def a_shell_inside_suspends_itself(shell):
    shell.run(f"PS1='inner> ' {medio} run -q -d mtty-2 -- bash --norc --noediting -i")
    shell.until(b"inner> ")
    shell.say("suspend")
    shell.until(b"Stopped")
    shell.run("fg")
    shell.until(b"--noediting -i\r\n")
    time.sleep(0.2)
    shell.say("echo in$((1+1))ner; exit 4")
    shell.until(b"in2ner\r\n")
    shell.run("echo status=$?")
    shell.until(b"status=4\r\n")


def a_daemon_keeps_its_devices(shell):
    """The program ends, what it has left behind has a device open: medio waits for it."""
    shell.run(
        f"{medio} run -q -d mtty-2 -- bash -c "
        "'exec 5<>/dev/vfio/vfio; (trap \"\" HUP; sleep 2; echo dae''mon) & exit 3'; echo status=$?"
    )
    words = shell.until(b"status=3\r\n")
    assert b"daemon\r\n" in words, words


def a_daemon_may_open_its_device_late(shell):
    """The program ends before what it leaves behind has opened anything: as daemons begin."""
    shell.run(
        f"{medio} run -q -d mtty-2 -- bash -c "
        "'(trap \"\" HUP; while kill -0 $$; do sleep 0.1; done 2>/dev/null; sleep 1; "
        "exec 5<>/dev/vfio/vfio && echo dae''mon) & exit 3'; echo status=$?"
    )
    words = shell.until(b"status=3\r\n")
    assert b"daemon\r\n" in words, words


def an_orphan_is_not_left_a_zombie(shell):
    """What ends while others live is waited for, as init would."""
    shell.run(
        f"{medio} run -q -d mtty-2 -- bash -c 'pid=$(sleep 0.1 >&2 & echo $!); "
        "while kill -0 $pid; do sleep 0.1; done 2>/dev/null; echo col''lected'"
    )
    shell.until(b"collected\r\n")


def an_interrupt_ends_the_wait(shell):
    """Ctrl-C, when only what the program left behind is there: which goes on by itself."""
    shell.run(
        f"{medio} run -d mtty-2 -- bash -c 'setsid sh -c \"echo pid=\\$\\$; exec sleep 1000\" & exit 3'"
    )
    shell.until(b"pid=")
    pid = int(shell.until(b"\r\n"))
    shell.until(b"the program has ended")
    shell.key(b"\x03")
    shell.run("echo status=$?")
    shell.until(b"status=3\r\n")
    os.kill(pid, signal.SIGKILL)


failed = 0
tests = [
    stop_and_continue,
    interrupt,
    a_shell_inside_suspends_itself,
    a_daemon_keeps_its_devices,
    a_daemon_may_open_its_device_late,
    an_orphan_is_not_left_a_zombie,
    an_interrupt_ends_the_wait,
]
if not shutil.which("bash"):
    print("1..0 # SKIP there is no bash")
    sys.exit(0)
for number, test in enumerate(tests, 1):
    bash = Shell()
    try:
        test(bash)
        print(f"ok {number} - {test.__name__}", flush=True)
    except (TimeoutError, OSError, AssertionError) as e:
        failed += 1
        print(f"not ok {number} - {test.__name__}\n# {e}", flush=True)
    bash.close()
print(f"1..{len(tests)}")
sys.exit(failed != 0)
