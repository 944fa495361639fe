#!/usr/bin/python3
"""The metrics of metrics/catalogue.def as README's table.

readme_metrics.py            prints the table
readme_metrics.py --check    compares it with the section "Metrics" of README.md; exit status 1 with what differs
"""
import difflib
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
STRING = r'"((?:[^"\\]|\\.)*)"'
METRIC = re.compile(r'^METRIC\((\w+), "(\w+)", (COUNTER|GAUGE|HISTOGRAM), (LIVE|REGISTRY), "(\w*)", L\((.*?)\), (?:NO_BUCKETS|B\(\w+\)), '
                    + STRING + r'\)$')
TARGET = ["account", "region_id", "instance_id", "serial_number", "version_type"]


def catalogue():
    """[(name, type, [label], help)] in the order of the exposition; a line that is not understood is an error."""
    with open(os.path.join(ROOT, "metrics/catalogue.def"), encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line.startswith("METRIC(")]
    assert '#define TARGET_LABELS "%s"' % '", "'.join(TARGET) in open(os.path.join(ROOT, "metrics/catalogue.def"), encoding="utf-8").read()
    metrics = []
    for line in lines:
        found = METRIC.match(line)
        if not found:
            sys.exit("metrics/catalogue.def: not understood: " + line)
        _, name, kind, _, _, labels, meaning = found.groups()
        names = []
        for word in labels.split(", "):
            names += TARGET if word == "TARGET_LABELS" else [] if word == "NO_LABELS" else [word.strip('"')]
        metrics.append((name, kind.lower(), names, meaning.replace('\\"', '"')))
    return metrics


def table():
    yield "| metric | type | labels | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, kind, labels, meaning in catalogue():
        if labels[:len(TARGET)] == TARGET:
            labels = ["*target*"] + labels[len(TARGET):]
        meaning = meaning.replace("A metric with a constant '1' value labeled by", "Always 1, labeled by")
        yield "| `%s` | %s | %s | %s |" % (name, kind, ", ".join(labels), meaning.replace("|", "\\|"))


def readme_table():
    """The table rows of README's section "Metrics"."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        text = f.read()
    section = re.search(r"^## Metrics$(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not section:
        sys.exit('README.md has no section "## Metrics"')
    return [line for line in section.group(1).splitlines() if line.startswith("|")]


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    wanted = list(table())
    if not sys.argv[1:]:
        print("\n".join(wanted))
        return 0
    difference = list(difflib.unified_diff(readme_table(), wanted, "README.md", "metrics/catalogue.def", lineterm="", n=0))
    if difference:
        print("\n".join(difference) + "\nPut the output of tests/lint/readme_metrics.py into README.md.", file=sys.stderr)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
