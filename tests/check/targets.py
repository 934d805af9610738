#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""targets.py BUILD SUITE...: what has to be built for the tests of these suites, one path a line."""
import json
import os
import sys


def main():
    build, suites = os.path.realpath(sys.argv[1]), set(sys.argv[2:])
    with open(os.path.join(build, 'meson-info', 'intro-targets.json')) as file:
        files = {target['id']: target['filename'] for target in json.load(file)}
    with open(os.path.join(build, 'meson-info', 'intro-tests.json')) as file:
        tests = json.load(file)
    wanted = set()
    for test in tests:
        if suites & {name.split(':')[-1] for name in test['suite']}:
            for target in test['depends']:
                wanted.update(os.path.relpath(path, build) for path in files[target])
    if not wanted:
        sys.exit('targets.py: no test is of suite ' + ' or '.join(sorted(suites)))
    print('\n'.join(sorted(wanted)))


main()
