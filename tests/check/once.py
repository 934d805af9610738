#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""once.py COMPILE_COMMANDS: the same with one command a file, whichever target compiles it first."""
import json
import os
import sys

with open(sys.argv[1]) as file:
    commands = json.load(file)
first = {}
for command in commands:
    path = os.path.normpath(os.path.join(command['directory'], command['file']))
    first.setdefault(path, command)
json.dump(list(first.values()), sys.stdout, indent=1)
