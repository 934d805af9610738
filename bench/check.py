#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Proves that medio-bench runs every benchmark and prints what it should, in both forms.

Usage: check.py MEDIO-BENCH. What the figures say is not judged: other things run on this machine.
"""
import json
import subprocess
import sys


def output(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, check=True, timeout=300)
    return done.stdout.decode()


def main(program):
    names = [line.split()[0] for line in output(program, "--list").splitlines()]
    doc = json.loads(output(program, "--quick", "--runs", "1", "--json"))
    assert doc["machine"]["processors"] >= 1
    assert {f["bench"] for f in doc["figures"]} == set(names), "a benchmark printed nothing"
    for figure in doc["figures"]:
        if "note" in figure:
            print("note:", figure["bench"], figure["note"])
            continue
        assert figure["samples"] >= 1 and figure["name"] and figure["unit"], figure
        assert 0 <= figure["min"] <= figure["median"] <= figure["max"], figure
        if "goal" in figure:
            reached = (
                figure["median"] >= figure["goal"]
                if figure["better"] == "more"
                else figure["median"] <= figure["goal"]
            )
            assert figure["met"] == reached, figure
    text = output(program, "--quick", "--runs", "1", "iova")
    assert "\niova\n" in text and " to " in text and "goal" in text, text
    wrong = subprocess.run([program, "iowa"], stderr=subprocess.PIPE)
    assert wrong.returncode == 2 and b"did you mean iova?" in wrong.stderr, wrong


main(sys.argv[1])
