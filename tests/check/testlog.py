#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts test results for script/test.

testlog.py meson FILE [AGAIN]            FILE is meson's testlog.json, one JSON object a line; AGAIN that of a
                                         second try of some that failed
testlog.py tap FILE STATUS NAME [FIRST]  FILE is what the TAP program NAME printed, STATUS its exit status; FIRST
                                         what it had printed when it failed at the first try
testlog.py failed FILE                   names of the tests in meson's FILE that failed and may try again, one a line
testlog.py may-try-again FILE            succeeds if what is in FILE is no report of a fault in memory or threads

A program that speaks TAP counts as many as it printed, any other as one. The first line printed is
`PASSED FAILED SKIPPED`; after it one line for each skip (`skip NAME: WHY`), each failure (`fail NAME`) and each
program that passed at the second try only (`again NAME`). What a failure said comes as lines `said TEXT`, and
what such a first try said as lines `first TEXT`.
"""
import json
import re
import sys

RESULT = re.compile(r"^(not )?ok\b[ \t]*\d*[ \t]*-?[ \t]*(.*)$", re.M)
# Found once, such a fault is there, however the second try ends.
FAULT = re.compile(r"Sanitizer|ERROR SUMMARY: [1-9]|runtime error: |^==\d+== ", re.M)
# So many tests do not fail of a machine that is busy with something else.
MAX_AGAIN = 10
WORDS = 25  # lines of each part of what a failure said
PLAN = re.compile(r"^1\.\.(\d+)(?:.*#[ \t]*SKIP[ \t]*(.*))?$", re.M | re.I)


def words(text):
    """Where it says that something failed, or its end."""
    lines = text.splitlines()
    result = []
    starts = [i for i, line in enumerate(lines) if line.startswith("not ok")]
    for start in starts[:4]:
        end = start + 1
        while end < len(lines) and end - start < WORDS and not RESULT.match(lines[end]):
            end += 1
        result += lines[start:end]
    if len(starts) > 4:
        result.append(f"[{len(starts) - 4} more failed]")
    return result or lines[-WORDS:]


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lines = []

    def add_pass(self):
        self.passed += 1

    def add_fail(self, name):
        self.failed += 1
        self.lines.append(f"fail {name}")

    def add_words(self, kind, name, *texts):
        """kind: said or first."""
        self.lines.append(f"{kind} -- {name}")
        for text in texts:
            self.lines += [f"{kind} | {line[:300]}" for line in words(text) if line.strip()]

    def add_skip(self, name, why):
        self.skipped += 1
        self.lines.append(f"skip {name}: {why or 'no reason given'}")

    def add_tap(self, name, text, good):
        """Every result line; then what the lines alone do not tell: a short or failed run."""
        plan = PLAN.search(text)
        results = RESULT.findall(text)
        failed_before = self.failed
        for bad, title in results:
            title, _, directive = title.partition("#")
            if directive.strip().upper().startswith(("SKIP", "TODO")):
                self.add_skip(f"{name} {title.strip()}", directive.strip()[4:].strip())
            elif bad:
                self.add_fail(f"{name} {title.strip()}")
            else:
                self.add_pass()
        if plan and plan.group(1) == "0":
            self.add_skip(name, plan.group(2))
        elif plan and int(plan.group(1)) != len(results):
            self.add_fail(f"{name}: {len(results)} results of {plan.group(1)} planned")
        elif not good and self.failed == failed_before:
            self.add_fail(f"{name}: failed after its last result")


GOOD = ("OK", "EXPECTEDFAIL", "SKIP")


def tests_of(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        return [json.loads(line) for line in log]


def short_name(test):
    return test["name"].split(" / ")[-1].split(":")[-1]


def said(test):
    return [test.get("stdout") or "", test.get("stderr") or ""]


def count_meson_test(count, test):
    name, result, text = short_name(test), test["result"], test.get("stdout") or ""
    good = result in GOOD
    if PLAN.search(text):
        count.add_tap(name, text, good)
    elif result == "SKIP":
        count.add_skip(name, (text.strip() or (test.get("stderr") or "").strip())[-200:])
    elif good:
        count.add_pass()
    else:
        count.add_fail(f"{name}: {result}")
    if not good:
        count.add_words("said", f"{name}: {result}", *said(test))


def count_meson(count, path, again=None):
    second = {test["name"]: test for test in tests_of(again)} if again else {}
    for test in tests_of(path):
        if test["result"] not in GOOD and second.get(test["name"], {}).get("result") == "OK":
            count.lines.append(f"again {short_name(test)}")
            count.add_words("first", f"{short_name(test)}: {test['result']}", *said(test))
            test = second[test["name"]]
        count_meson_test(count, test)


def print_failed(path):
    """Seeds of fuzzing fail always, or are no seeds."""
    tests = [test for test in tests_of(path) if test["result"] not in GOOD]
    for test in tests if len(tests) <= MAX_AGAIN else []:
        suites = test["name"].split(" / ")[0].split(":")[-1].split("+")
        if "fuzz" not in suites and not FAULT.search("\n".join(said(test))):
            print(short_name(test))


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        return log.read()


def count_tap(count, path, status, name, first=None):
    text = text_of(path)
    if PLAN.search(text):
        count.add_tap(name, text, status in (0, 77))
    elif status == 77:
        count.add_skip(name, text.strip()[-200:])
    else:
        count.add_tap(name, text, False)
    if status not in (0, 77):
        count.add_words("said", f"{name}, status {status}", text)
    if first and status == 0:
        count.lines.append(f"again {name}")
        count.add_words("first", name, text_of(first))
    elif first:
        count.add_words("said", f"{name}, at the first try", text_of(first))


def main():
    count = Count()
    way, args = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if way == "failed" and len(args) == 1:
        print_failed(args[0])
        return
    if way == "may-try-again" and len(args) == 1:
        sys.exit(bool(FAULT.search(text_of(args[0]))))
    if way == "meson" and len(args) in (1, 2):
        count_meson(count, *args)
    elif way == "tap" and len(args) in (3, 4):
        count_tap(count, args[0], int(args[1]), *args[2:])
    else:
        sys.exit(__doc__)
    print(count.passed, count.failed, count.skipped)
    for line in count.lines:
        print(line)


main()
