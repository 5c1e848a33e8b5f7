"""count_units.py - what meson's JUnit file says of the unit tests, for run.sh.

Lines: "ok NAME N cases", "FAIL NAME which", "skip NAME why", and last "counts PASSED FAILED SKIPPED".
A program that ran no case failed.
"""
import collections
import sys
import xml.etree.ElementTree as ET

programs = collections.OrderedDict()
for suite in ET.parse(sys.argv[1]).getroot().iter("testsuite"):
    for case in suite.iter("testcase"):
        # "project.project:suite / program"
        name = suite.get("name").split(" / ")[-1].split(".")[-1]
        passed, failed, skipped = programs.setdefault(name, ([], [], []))
        words = case.get("name")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(words)
        elif case.find("skipped") is not None:
            skipped.append(words)
        else:
            passed.append(words)

total = [0, 0, 0]
for name, cases in programs.items():
    if not any(cases):
        cases = ([], ["no case ran"], [])
    for i in range(3):
        total[i] += len(cases[i])
    if cases[1]:
        print("FAIL", name, ", ".join(cases[1]))
    elif cases[2] and not cases[0]:
        print("skip", name, ", ".join(cases[2]))
    else:
        print("ok", name, f"{len(cases[0])} cases" + (f", {len(cases[2])} skipped" if cases[2] else ""))
if not programs:
    sys.exit("no unit test ran")
print("counts", *total)
