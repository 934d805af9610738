#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Proves that `medio bench modes` measures each way, counts what it should, and draws where there is a gnuplot.

Usage: check_modes.py MEDIO. How fast anything is is not judged: other things run on this machine.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import json

WAYS = ["trapped", "virtio", "virtio-polled", "passthrough", "passthrough-polled", "vf", "vf-polled"]


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)


def check_way(mode, polled_can):
    if "missing" in mode:
        print("note:", mode["way"], "is left out:", mode["missing"])
        assert "polled" in mode["way"] and not polled_can, mode
        return
    assert mode["guest_needs"] and mode["title"], mode
    assert 0 < mode["latency_p50_ns"] <= mode["latency_p99_ns"], mode
    # A frame of 64 bytes in pieces of 8, there and back; and none where memory is shared.
    least, most = (20, 30) if mode["way"] == "trapped" else (0, 1)
    assert least <= mode["messages_per_frame"] <= most, mode
    assert [point["instances"] for point in mode["scaling"]] == [1, 8, 64], mode
    assert mode["calls_per_frame"] is None or mode["calls_per_frame"] >= 0, mode


def main(medio):
    drawing = shutil.which("gnuplot") is not None
    with tempfile.TemporaryDirectory() as folder:
        svg = os.path.join(folder, "it's.svg")
        done = run(medio, "bench", "modes", "--quick", "--json", *(["--svg", svg] if drawing else []))
        assert done.returncode == 0, done
        doc = json.loads(done.stdout)
        assert not drawing or "<svg" in open(svg, encoding="utf-8").read(4096), "no drawing"
    assert [mode["way"] for mode in doc["modes"]] == WAYS, doc
    for mode in doc["modes"]:
        check_way(mode, doc["machine"]["processors"] > 1)
    assert doc["floors_ns"]["socket"] > 0 and doc["floors_ns"]["memcpy-64"] > 0, doc
    wrong = run(medio, "bench", "mode")
    assert wrong.returncode == 2 and b"there is: modes" in wrong.stderr, wrong
    assert run(medio, "bench", "modes", "--svg", "a\nb").returncode == 2


main(sys.argv[1])
