#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes what `medio bench modes --json` measured into docs/choosing.md, between its lines <!-- measured -->.

Usage: choosing.py JSON PAGE
"""
import json
import sys

MARK = "<!-- measured -->"


def scaled(value, units=("", " thousand", " million")):
    """Three digits that mean something."""
    if value is None:
        return "-"
    if value < 0.005:
        return "0"
    for unit in units[:-1]:
        if value < 999.5:
            break
        value /= 1000
    else:
        unit = units[-1]
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f}{unit}"


def nanoseconds(value):
    return scaled(value, (" ns", " us", " ms"))


def memory(value):
    return "-" if value is None else f"{value / 1024:.0f} KiB"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(titles, rows):
    return [row(titles), "|" + "---|" * len(titles)] + [row(cells) for cells in rows]


def costs(modes):
    return table(
        ["", "half take", "99 of 100 take", "messages", "system calls", "CPU, 16 under way", "memory of a card"],
        [
            [
                m["title"],
                nanoseconds(m["latency_p50_ns"]),
                nanoseconds(m["latency_p99_ns"]),
                scaled(m["messages_per_frame"]),
                scaled(m["calls_per_frame"]),
                nanoseconds(m["cpu_ns_per_frame"]),
                memory(m["bytes_per_instance"]),
            ]
            for m in modes
        ],
    )


def rates(modes):
    counts = [point["instances"] for point in modes[0]["scaling"]]
    return table(
        ["frames a second"]
        + [f"64 bytes, {n} card{'s' if n > 1 else ''}" for n in counts]
        + ["1514 bytes, 1 card"],
        [
            [m["title"]]
            + [scaled(point["frames_per_second"]) for point in m["scaling"]]
            + [scaled(m["large_frames_per_second"])]
            for m in modes
        ],
    )


FLOORS = {
    "socket": "64 bytes there and back through a socket",
    "eventfd": "an eventfd there and one back",
    "line": "a cache line there and back, both sides looking",
    "memcpy-64": "`memcpy()` of 64 bytes",
    "memcpy-1514": "of 1514 bytes",
}


def block(doc):
    machine, modes = doc["machine"], doc["modes"]
    lines = [
        f"Measured on {machine['date']}: {machine['processor']}, {machine['processors']} processors, "
        f"Linux {machine['kernel']}, load {machine['load']:.2f}; medians of {doc['runs']} runs."
    ]
    if machine["load"] > 1:
        lines[0] += " **The machine was busy: these figures say little.**"
    lines += ["", "One frame of 64 bytes at a time; what it costs on the device's side:", ""]
    lines += costs(modes) + ["", "Many at a time, 16 of each card under way:", ""] + rates(modes)
    for m in modes:
        if "missing" in m:
            lines += ["", f"{m['title']} is left out: {m['missing']}"]
    floors = [f"{words} {nanoseconds(doc['floors_ns'][name])}" for name, words in FLOORS.items()]
    return lines + ["", "The machine itself, in the same run: " + ", ".join(floors) + "."]


def main(source, page):
    with open(source, encoding="utf-8") as file:
        doc = json.load(file)
    with open(page, encoding="utf-8") as file:
        parts = file.read().split(MARK + "\n")
    if len(parts) != 3:
        sys.exit(f"{page}: there have to be two lines {MARK}")
    parts[1] = "\n".join(block(doc)) + "\n"
    with open(page, "w", encoding="utf-8") as file:
        file.write((MARK + "\n").join(parts))


main(*sys.argv[1:3])
