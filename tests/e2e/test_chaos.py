"""A minute of a cloud that fails in every way at once, while upgrades run; then calm, and the books must balance.

Of the simulator's faults those are used after which every device can still get to its version. The seed is printed;
SAGPIN_CHAOS_SEED and SAGPIN_CHAOS_SECONDS repeat or lengthen a run.
"""
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, KEY_SECRET, Simulator, config, run, wait_for, world  # noqa: E402

SEED = int(os.environ.get("SAGPIN_CHAOS_SEED") or random.randrange(1 << 30))
SECONDS = float(os.environ.get("SAGPIN_CHAOS_SECONDS") or 45)
UPGRADE = "@UpdateSmartAccessGatewayVersion"
LIST = "@DescribeSmartAccessGateways"
FAULTS = ["throttling", "internal_error", "service_unavailable", "latency", "reset", "lost_reply", "close_on_reuse", "cut_body", "html_body",
          "empty_body", "deep_json", "missing_fields" + LIST, "wrong_types" + LIST, "invalid_utf8", "page_shift", "duplicate_ids",
          "internal_error_applied" + UPGRADE, "unknown_code_applied" + UPGRADE]
RESTING = {"offline", "degraded", "in_arrears", "not_activated", "not_bound", "duplicate", "forbidden", "invalid_instance"}
PINS = '''  { name = "all"; match: { id = "*"; }; device = "3.4.2"; dpi = "1.3.5"; policy = "fast"; }'''


def switch_faults(simulator, chance):
    """Some faults, each at some rate; now and then the calm between two storms."""
    faults = {"clear": True}
    for entry in chance.sample(FAULTS, chance.choice((0, 2, 4, 8))):
        name, _, action = entry.partition("@")
        rate = "%d%%" % chance.choice((2, 10, 30))
        if name == "latency":
            rate += ":%dms" % chance.choice((20, 500, 2500))
        faults[name] = rate + ("@" + action if action else "")
    simulator.ask("faults", faults)


def scrape_for_ever(daemon, is_over, found):
    """Whatever happens, each scrape is answered, well-formed and without a series twice."""
    while not is_over.wait(0.2):
        try:
            daemon.metrics()
        except Exception as error:  # told by the test's own thread
            found.append(repr(error))


def is_at_rest(daemon):
    targets = daemon.targets()
    return targets and all(t["phase"] in ("in_sync", "ahead") or t["reason"] in RESTING for t in targets)


def per_target(lines, key):
    counts = {}
    for line in lines:
        k = key(line)
        counts[k] = counts.get(k, 0) + 1
    return counts


def told(text, message):
    """The fields of the log lines with this message."""
    lines = [line for line in text.splitlines() if 'msg="%s"' % message in line]
    return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in lines]


def cpu_seconds(daemon):
    return daemon.sum("process_cpu_seconds_total")


def check_books(simulator, daemon):
    """The daemon's log, its counters and the cloud's journal tell the same story."""
    calls = [r for r in simulator.requests()["requests"] if r["action"] == UPGRADE[1:]]
    called = per_target(calls, lambda r: (r["instance"], r["serial"], r["version_type"]))
    name = lambda f: (f["instance_id"], f["serial_number"], f["version_type"])  # noqa: E731
    log = daemon.text()
    started, settled = told(log, "upgrade started"), told(log, "upgrade settled")
    sent = per_target(started, name)
    for k, n in per_target([f for f in settled if f["outcome"] == "withdrawn"], name).items():
        sent[k] -= n
    wrong = {k: (called.get(k, 0), sent.get(k, 0)) for k in set(called) | set(sent) if called.get(k, 0) != sent.get(k, 0)}
    assert not wrong, "(calls that arrived, calls that the log tells of): %s" % wrong
    assert len(settled) == len(started), (len(settled), len(started))
    assert simulator.ask("upgrades")["overlapping"] == 0, "called while an upgrade was running"
    metrics = daemon.metrics()
    total = lambda name: sum(v for (n, _), v in metrics.items() if n == name)  # noqa: E731
    assert total("sagpin_upgrades_started_total") == len(started)
    assert total("sagpin_targets") == sum(1 for n, _ in metrics if n == "sag_target_state")
    fleet = {i["id"] for i in simulator.ask("fleet")["instances"] if any(d.get("serial") for d in i["devices"])}
    known = {t["instance_id"] for t in daemon.targets()}
    assert known == fleet, "only in the cloud: %s, only here: %s" % (fleet - known, known - fleet)
    assert total("sag_upgrade_in_progress") == 0 and total("sagpin_policy_in_flight") == 0
    return len(calls)


def check_idle(daemon, fds):
    """Afterwards nothing spins and nothing was kept."""
    cpu, began = cpu_seconds(daemon), time.monotonic()
    wait_for("five seconds", lambda: time.monotonic() - began > 5, 10)
    assert cpu_seconds(daemon) - cpu < 2.5, "busy without work"
    assert daemon.sum("process_open_fds") <= fds + 40, (fds, daemon.sum("process_open_fds"))


def test_chaos_then_calm(build):
    print("seed %d" % SEED, flush=True)
    chance = random.Random(SEED)
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1500ms", instances=200, seed=SEED % 1000)
        processes.append(simulator)
        text = config(simulator.endpoint, pins=PINS, poll_interval="1s", dpi_poll_interval="2s", timeout="2s", policy_in_flight="25%")
        daemon = Daemon(build, work, text.replace("attempts = 3", "attempts = 100"))
        processes.append(daemon)
        wait_for("the fleet to be listed", lambda: daemon.sum("sagpin_up") == 1)
        fds = daemon.sum("process_open_fds")
        is_over, found = threading.Event(), []
        scraper = threading.Thread(target=scrape_for_ever, args=(daemon, is_over, found))
        scraper.start()
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                switch_faults(simulator, chance)
                assert daemon.is_running(), "the daemon ended"
                is_over.wait(chance.uniform(0.2, 3))
            simulator.ask("faults", {"clear": True})
            wait_for("the fleet to converge", lambda: is_at_rest(daemon), 120, 0.5)
        finally:
            is_over.set()
            scraper.join()
        assert not found, found[:5]
        calls = check_books(simulator, daemon)
        assert calls > 50, calls
        check_idle(daemon, fds)
        assert daemon.stop() == 0
        log = daemon.text()
        assert "runtime error" not in log and "Sanitizer" not in log
        assert KEY_SECRET not in log


run(globals())
