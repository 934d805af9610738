#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py OUT FILE...: the files as a C source that defines medio_templates (templates.h)."""
import os
import sys

out, files = sys.argv[1], sys.argv[2:]
with open(out, "w") as c:
    c.write('#include "templates.h"\n')
    for n, path in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        c.write(f"\nstatic const char file{n}[] = {{")
        for i, byte in enumerate(data + b"\0"):
            c.write(("\n\t" if i % 16 == 0 else " ") + f"{byte},")
        c.write("\n};\n")
    c.write("\nconst struct medio_template medio_templates[] = {\n")
    for n, path in enumerate(files):
        c.write(f'\t{{ "{os.path.basename(path)}", file{n} }},\n')
    c.write("\t{ 0 },\n};\n")
