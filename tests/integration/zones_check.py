#!/usr/bin/python3
"""Compares config/tzif.c with Python's zoneinfo, for every zone of the system from 2024 to 2037.

usage: zones_check.py PATH_OF_ZONE_TIMES

Around each change of an offset, on both sides and one second from it, and on a grid of hours: the offset at a time in
UTC, and the time in UTC of a time on the wall clock, where zoneinfo's fold=0 is our rule: a time in a gap counts with
the offset before it, one that comes twice is the first. Both read the same files.
"""
import calendar
import datetime
import os
import subprocess
import sys

DIRECTORY = os.environ.setdefault("TZDIR", "/usr/share/zoneinfo")
os.environ["PYTHONTZPATH"] = DIRECTORY
import zoneinfo  # noqa: E402  (reads PYTHONTZPATH when it is imported)

FROM = calendar.timegm((2024, 1, 1, 0, 0, 0))
TO = calendar.timegm((2038, 1, 1, 0, 0, 0))
GRID = 163 * 3600  # goes through all hours of the day and days of the week; no two changes are that near to each other
FAR = [calendar.timegm((year, month, 1, 0, 0, 0)) for year in (2100, 2400, 9000) for month in (1, 4, 7, 10)]
EPOCH = datetime.datetime(1970, 1, 1)
SECOND = datetime.timedelta(seconds=1)


def offset_at(zone, time):
    return datetime.datetime.fromtimestamp(time, zone).utcoffset() // SECOND


def utc_of(zone, civil):
    return civil - (EPOCH + civil * SECOND).replace(tzinfo=zone).utcoffset() // SECOND


def find_change(zone, low, high):
    """The first second with the offset of high, when low has another one."""
    before = offset_at(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def questions(zone):
    """(what, time, right answer) of one zone, and how many changes it has."""
    asked = []
    n_changes = 0
    earlier = None
    for time in range(FROM, TO, GRID):
        offset = offset_at(zone, time)
        asked.append(("u", time, offset))
        asked.append(("l", time, utc_of(zone, time)))
        if earlier is not None and offset != earlier:
            n_changes += 1
            change = find_change(zone, time - GRID, time)
            for near in (change - 1, change, change + 1):
                asked.append(("u", near, offset_at(zone, near)))
            for wall in (change + earlier, change + offset):
                for near in (-3600, -1801, -1800, -1, 0, 1, 1799, 1800, 3600):
                    asked.append(("l", wall + near, utc_of(zone, wall + near)))
        earlier = offset
    asked += [("u", time, offset_at(zone, time)) for time in FAR]
    return asked, n_changes


def main():
    names = sorted(zoneinfo.available_timezones())
    lines, want, meant = [], [], []
    n_changes = 0
    for name in names:
        asked, n = questions(zoneinfo.ZoneInfo(name))
        n_changes += n
        lines.append("zone %s" % name)
        want.append("ok")
        lines += ["%s %d" % (what, time) for what, time, _ in asked]
        want += [str(answer) for _, _, answer in asked]
        meant += [name] * (len(asked) + 1)
    done = subprocess.run([sys.argv[1]], input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True, check=True)
    got = done.stdout.splitlines()
    wrong = [(m, l, w, g) for m, l, w, g in zip(meant, lines, want, got) if w != g]
    for name, line, right, answer in wrong[:20]:
        print("%s: %s: zoneinfo says %s, we say %s" % (name, line, right, answer))
    print("%d zones, %d changes, %d questions, %d wrong" % (len(names), n_changes, len(lines), len(wrong)))
    if len(got) != len(lines):
        sys.exit("%d answers" % len(got))
    if len(names) < 300 or n_changes < 1000:
        sys.exit("these are not the zones of the world; install the Debian package tzdata")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
