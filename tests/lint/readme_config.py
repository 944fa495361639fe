#!/usr/bin/python3
"""Compares the table in README's section "Configuration" with config/keys.c; exit status 1 with what differs.

Each key must stand in a row of its group, in backticks, and its default in the same row; each key that a first column
names must exist.
"""
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
# Table of keys.c -> how README's rows of that group begin.
GROUPS = {"top": "", "account": "accounts[].", "credentials": "accounts[].credentials", "api": "accounts[].api", "window": "windows[].",
          "freeze": "freezes[].", "policy": "policies[].", "wave": "policies[].waves[]", "halt": "policies[].halt",
          "halt_reason": "policies[].halt.by_reason[]", "retry": "policies[].retry", "verify": "policies[].verify", "gate": "policies[].gate",
          "pin": "pins[].", "match": "pins[].match"}
LISTS = {"accounts", "windows", "freezes", "policies", "policies[].waves", "pins"}  # of groups: their rows are those of their keys


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def keys():
    """{group: {key: default or None}}; a table that is not understood is an error."""
    found = {}
    for group, body in re.findall(r"^static const struct key (\w+)_items\[\] = \{\n(.*?)^\};", read("config/keys.c"), re.M | re.S):
        items = re.findall(r'\{ "(\w+)", KEY_\w+, AT\([\w.]+\)(?:, "([^"]*)")?', body) + [(key, "") for key in re.findall(r'GLOB\("(\w+)"', body)]
        if len(items) != len(re.findall(r"\{ \"|GLOB\(", body)):
            sys.exit("config/keys.c: not understood: %s_items" % group)
        found[group] = {key: fallback or None for key, fallback in items}
    if found.keys() != GROUPS.keys():
        sys.exit("config/keys.c: other groups than expected: %s" % sorted(found.keys() ^ GROUPS.keys()))
    return found


def rows():
    """[([key of the first column, written out], row)]"""
    section = re.search(r"^## Configuration$(.*?)(?=^## |\Z)", read("README.md"), re.M | re.S)
    lines = [line for line in (section.group(1) if section else "").splitlines() if line.startswith("| `")]
    for line in lines:
        names = re.findall(r"`([^`]+)`", line.split("|")[1])
        head = names[0].rpartition(".")[0]
        yield [head + name if name.startswith(".") else name for name in names], line


def main():
    table, wrong = list(rows()), []
    known = set()
    for group, items in keys().items():
        nested = not (GROUPS[group] == "" or GROUPS[group].endswith("."))
        for key, fallback in items.items():
            name = GROUPS[group] + ("" if nested else key)
            known.add(name)
            lines = [line for names, line in table if name in names and (not nested or "`%s`" % key in line)]
            if name in LISTS:
                continue
            if not lines:
                wrong.append("README.md lacks %s%s" % (name, "." + key if nested else ""))
            elif fallback is not None and not re.search(r'[ "`]%s[ "`,:;)]' % re.escape(fallback), lines[0]):
                wrong.append("README.md does not say that %s%s is %s by default" % (name, "." + key if nested else "", fallback))
    wrong += ["README.md names %s, which config/keys.c does not have" % name for names, _ in table for name in names if name not in known]
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
