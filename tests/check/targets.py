#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""targets.py BUILD SUITE...: what has to be built for the tests of these suites, one path a line.
targets.py BUILD --without SUITE...: all that is built, but what only tests of these suites need."""
import json
import os
import sys


def main():
    build, words = os.path.realpath(sys.argv[1]), sys.argv[2:]
    without = words[:1] == ['--without']
    suites = set(words[without:])
    with open(os.path.join(build, 'meson-info', 'intro-targets.json')) as file:
        targets = json.load(file)
    with open(os.path.join(build, 'meson-info', 'intro-tests.json')) as file:
        tests = json.load(file)
    of_suites, of_others = set(), set()
    for test in tests:
        named = suites & {name.split(':')[-1] for name in test['suite']}
        (of_suites if named else of_others).update(test['depends'])
    if not of_suites:
        sys.exit('targets.py: no test is of suite ' + ' or '.join(sorted(suites)))
    if without:
        of_suites = {t['id'] for t in targets if t['build_by_default']} - (of_suites - of_others)
    wanted = {os.path.relpath(path, build)
              for target in targets if target['id'] in of_suites for path in target['filename']}
    print('\n'.join(sorted(wanted)))


main()
