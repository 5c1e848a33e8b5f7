"""count_units.py - what meson's JUnit file says of the unit tests, for run.sh.

Lines: "ok NAME N cases", "FAIL NAME which", "skip NAME why", and last "counts PASSED FAILED SKIPPED".
A program that ran no case failed. cmocka writes "not ok 1 # SKIP" for a case that was skipped, which
TAP's readers take for a failure: here it is none.
"""
import collections
import re
import sys
import xml.etree.ElementTree as ET

programs = collections.OrderedDict()
for suite in ET.parse(sys.argv[1]).getroot().iter("testsuite"):
    # "project.project:suite / program"
    name = suite.get("name").split(" / ")[-1].split(".")[-1]
    passed, failed, skipped = programs.setdefault(name, ([], [], []))
    tap = suite.findtext("system-out") or ""
    reasons = re.findall(r"^# skipped: (.*)", tap, re.M)
    by_cmocka = set(re.findall(r"^not ok (\d+) # SKIP", tap, re.M))
    for case in suite.iter("testcase"):
        words = case.get("name")
        if case.find("skipped") is not None or words.split(" ")[0] in by_cmocka:
            skipped.append(reasons.pop(0) if reasons else words)
        elif case.find("failure") is not None or case.find("error") is not None:
            failed.append(words)
        else:
            passed.append(words)
    if suite.find("system-err") is not None and int(suite.get("errors") or 0) and not failed:
        failed.append("it ended badly")

total = [0, 0, 0]
for name, cases in programs.items():
    if not any(cases):
        cases = ([], ["no case ran"], [])
    for i in range(3):
        total[i] += len(cases[i])
    if cases[1]:
        print("FAIL", name, ", ".join(cases[1]))
    else:
        print("ok", name, f"{len(cases[0])} cases")
    for reason in cases[2]:
        print("skip", name, reason)
if not programs:
    sys.exit("no unit test ran")
print("counts", *total)
