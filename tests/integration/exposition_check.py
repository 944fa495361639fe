#!/usr/bin/python3
"""Judges an exposition on stdin by every strict reader at hand: exposition_check.py text|openmetrics

text: promtool's linter (exit 3 of it is a failure too) and the client library's parser.
openmetrics: the client library's strict parser, and what it lets pass: duplicate series, missing end, stray lines.
Both: UTF-8, one header per family, families not interleaved, no timestamps. Exit status 0 when all agree.
"""
import math
import re
import subprocess
import sys

from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as om_parser

SAMPLE = re.compile(r'^[a-z_]+(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? [^ ]+$')


def check_lines(text, is_openmetrics):
    if not text.endswith("\n"):
        yield "the last line has no end"
    lines = text.split("\n")[:-1]
    if is_openmetrics and (lines[-1:] != ["# EOF"] or lines.count("# EOF") != 1):
        yield "# EOF is not once, at the end"
    seen = set()
    for number, line in enumerate(lines, 1):
        if line.startswith("# HELP ") or line.startswith("# TYPE ") or line.startswith("# UNIT "):
            key = tuple(line.split(" ")[1:3])
        elif line == "# EOF" and is_openmetrics:
            continue
        elif SAMPLE.match(line):
            key = line.rsplit(" ", 1)[0]
        else:
            yield "line %d is neither sample nor header: %r" % (number, line)
            continue
        if key in seen:
            yield "line %d is there twice: %r" % (number, key)
        seen.add(key)


def check_families(families):
    names = set()
    count = 0
    for family in families:
        if family.name in names:
            yield "family %s is there twice" % family.name
        names.add(family.name)
        if not family.documentation or family.type in ("unknown", "untyped"):
            yield "family %s has no help or no type" % family.name
        if not family.samples:
            yield "family %s is empty" % family.name
        for sample in family.samples:
            count += 1
            if sample.timestamp is not None:
                yield "%s has a timestamp" % sample.name
            if math.isnan(sample.value):
                yield "%s is NaN" % sample.name
    if count == 0:
        yield "there are no samples"


def check_promtool(data):
    done = subprocess.run(["promtool", "check", "metrics"], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        yield "promtool: " + (done.stderr + done.stdout).decode(errors="replace").strip()


def check(data, is_openmetrics):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return [str(error)]
    problems = list(check_lines(text, is_openmetrics))
    module = om_parser if is_openmetrics else text_parser
    try:
        problems += check_families(module.text_string_to_metric_families(text))
    except ValueError as error:
        problems.append("parser: %s" % error)
    if not is_openmetrics:
        problems += check_promtool(data)
    return problems


def main():
    if sys.argv[1:] not in (["text"], ["openmetrics"]):
        sys.exit(__doc__)
    problems = check(sys.stdin.buffer.read(), sys.argv[1] == "openmetrics")
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
