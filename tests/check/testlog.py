#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts test results for script/test.

testlog.py meson FILE            FILE is meson's testlog.json, one JSON object a line
testlog.py tap FILE STATUS NAME  FILE is what the TAP program NAME printed, STATUS its exit status

A program that speaks TAP counts as many as it printed, any other as one. The first line printed is
`PASSED FAILED SKIPPED`; after it one line for each skip (`skip NAME: WHY`) and each failure (`fail NAME`).
"""
import json
import re
import sys

RESULT = re.compile(r"^(not )?ok\b[ \t]*\d*[ \t]*-?[ \t]*(.*)$", re.M)
PLAN = re.compile(r"^1\.\.(\d+)(?:.*#[ \t]*SKIP[ \t]*(.*))?$", re.M | re.I)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lines = []

    def add_pass(self):
        self.passed += 1

    def add_fail(self, name):
        self.failed += 1
        self.lines.append(f"fail {name}")

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


def count_meson(count, path):
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            name = test["name"].split(" / ")[-1].split(":")[-1]
            result = test["result"]
            text = test.get("stdout") or ""
            good = result in ("OK", "EXPECTEDFAIL", "SKIP")
            if PLAN.search(text):
                count.add_tap(name, text, good)
            elif result == "SKIP":
                count.add_skip(name, (text.strip() or (test.get("stderr") or "").strip())[-200:])
            elif good:
                count.add_pass()
            else:
                count.add_fail(f"{name}: {result}")


def count_tap(count, path, status, name):
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    if PLAN.search(text):
        count.add_tap(name, text, status in (0, 77))
    elif status == 77:
        count.add_skip(name, text.strip()[-200:])
    else:
        count.add_tap(name, text, False)


def main():
    count = Count()
    if len(sys.argv) == 3 and sys.argv[1] == "meson":
        count_meson(count, sys.argv[2])
    elif len(sys.argv) == 5 and sys.argv[1] == "tap":
        count_tap(count, sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        sys.exit(__doc__)
    print(count.passed, count.failed, count.skipped)
    for line in count.lines:
        print(line)


main()
