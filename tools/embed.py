#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py OUT FILE...: the files as a C source that defines medio_template_sets (templates.h). Files of one
folder are a set; the folder is called as what is made from it is called there."""
import os
import sys

out, files = sys.argv[1], sys.argv[2:]
sets = {}
with open(out, "w") as c:
    c.write('#include "templates.h"\n')
    for n, path in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        c.write(f"\nstatic const char file{n}[] = {{")
        for i, byte in enumerate(data + b"\0"):
            c.write(("\n\t" if i % 16 == 0 else " ") + f"{byte},")
        c.write("\n};\n")
        folder = os.path.basename(os.path.dirname(path))
        sets.setdefault(folder, []).append((os.path.basename(path), n))
    for n, members in enumerate(sets.values()):
        c.write(f"\nstatic const struct medio_template set{n}[] = {{\n")
        for name, number in members:
            c.write(f'\t{{ "{name}", file{number} }},\n')
        c.write("\t{ 0 },\n};\n")
    c.write("\nconst struct medio_template_set medio_template_sets[] = {\n")
    for n, folder in enumerate(sets):
        c.write(f'\t{{ "{folder}", set{n} }},\n')
    c.write("\t{ 0 },\n};\n")
