#!/usr/bin/python3
"""SIGKILL at random moments, over and over: not one double call, nothing lost (rules 2, 3, 11)."""
import collections
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import Daemon, Simulator, config, run, wait_for, world  # noqa: E402

KILLS = int(os.environ.get("KILLS", "200"))
INSTANCES = 500


def upgrade_calls(simulator):
    return collections.Counter({(u["serial"], u["version_type"], u["version"]): u["requests"] for u in simulator.ask("upgrades")["targets"]})


def in_sync(daemon):
    return sum(1 for t in daemon.targets() if t["phase"] == "in_sync")


def is_done(daemon):
    """Whatever can be upgraded is."""
    return not any(t["phase"] in ("upgrading", "verifying") or (t["phase"] == "waiting" and t["reason"] not in ("offline", "degraded"))
                   for t in daemon.targets())


def test_killed_over_and_over(build):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("SEED=%d" % seed, flush=True)
    draw = random.Random(seed)
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=INSTANCES)
        processes.append(simulator)
        # few at once, so that all of the kills find something under way
        text = config(simulator.endpoint, deadline="4s", policy_in_flight="16", max_in_flight=16, soak="200ms", poll_interval="1s")
        text = text.replace("attempts = 3;", "attempts = 1000;")
        daemon = Daemon(build, work, text, name="first")
        wait_for("the first upgrades", lambda: len(upgrade_calls(simulator)) > 3)
        under_way = 0
        for i in range(KILLS):
            time.sleep(draw.choice((0.01, 0.05, 0.1, 0.2, 0.4)) * draw.random())  # the moment is what is drawn, nothing waits for it
            under_way += simulator.ask("state")["upgrading"] > 0
            daemon.stop(signal.SIGKILL)
            daemon = Daemon(build, work, text, "--log.level=warn", name="run%d" % i, is_ready=False)
            # it must get somewhere now and then, or all kills would find it loading
            if i % 4 == 3:
                before = sum(upgrade_calls(simulator).values())
                wait_for("a start after kill %d" % i, lambda: sum(upgrade_calls(simulator).values()) > before or i > 150, 30)
        daemon.stop(signal.SIGKILL)
        daemon = Daemon(build, work, text, name="last")
        processes.append(daemon)
        wait_for("the fleet to converge", lambda: in_sync(daemon) > 0 and is_done(daemon), 240, 0.5)
        calls = upgrade_calls(simulator)
        twice = {k: n for k, n in calls.items() if n > 1}
        assert not twice, "called twice: %r" % twice
        assert under_way > KILLS / 4, "only %d of %d kills found an upgrade under way" % (under_way, KILLS)
        succeeded = daemon.sum("sagpin_upgrades_succeeded_total")
        assert succeeded == len(calls), "%d upgrades verified, %d called" % (succeeded, len(calls))
        print("%d kills, %d with upgrades under way, %d upgrades, each called once" % (KILLS, under_way, len(calls)))


run(globals())
