"""The cloud's own upgrader over the real daemon and the simulator: read, set to manual where a pin holds, and put back."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, get, run, wait_for, world  # noqa: E402
from test_acts import say  # noqa: E402
from test_control import ask  # noqa: E402

MODIFY, DESCRIBE = "ModifyDeviceAutoUpgradePolicy", "DescribeDeviceAutoUpgradePolicy"
NIGHTLY = {"type": "scheduled", "cron": "0 0 4 ? * 1", "duration": 90, "jitter": 7, "time_zone": "Europe/Berlin"}
BOOT = {"type": "boot", "cron": "0 30 2 ? * 6", "duration": 30, "jitter": 0, "time_zone": "Asia/Shanghai"}
MANUAL = {"type": "manual", "cron": "", "duration": 0, "jitter": 0, "time_zone": "Asia/Shanghai"}
NO_PIN = '  { name = "none"; match: { id = "nobody"; }; device = "3.4.2"; policy = "fast"; }'
PINS = '  { name = "shops"; match: { id = "sag-*"; }; device = "3.4.2"; dpi = "1.0.1"; policy = "fast"; }'

FLEET = {"instances": [
    {"id": "sag-a", "serial": "a1", "version": "3.4.2", "dpi": "1.0.1", "auto_upgrade": NIGHTLY, "dpi_auto_upgrade": BOOT},
    {"id": "sag-b", "serial": "b1", "version": "3.4.2", "auto_upgrade": BOOT},
    {"id": "sag-c", "serial": "c1", "version": "3.4.2", "auto_upgrade": MANUAL},
    {"id": "sag-d", "devices": [{"serial": "d1", "version": "3.4.2", "auto_upgrade": NIGHTLY},
                                {"serial": "d2", "version": "3.4.2", "auto_upgrade": MANUAL}]},
    {"id": "depot", "serial": "e1", "version": "3.4.2", "auto_upgrade": NIGHTLY}]}
HELD = {("a1", "Device"), ("a1", "Dpi"), ("b1", "Device"), ("d1", "Device")}


def start(build, work, processes, fleet=FLEET, **kw):
    """The simulator with that fleet."""
    path = os.path.join(work, "fleet.json")
    for instance in fleet["instances"]:
        instance.setdefault("region", "cn-shanghai")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(fleet, f)
    simulator = Simulator(build, work, "--fleet=" + path, **kw)
    processes.append(simulator)
    return simulator


def daemon(build, work, processes, simulator, **kw):
    """A daemon that reads every policy once in two seconds."""
    values = dict(dict(policy='auto_upgrade = "hold";', pins=PINS), **kw)
    child = Daemon(build, work, config(simulator.endpoint, poll_interval='1s"; auto_upgrade_interval = "2s', **values),
                   name="sagpin-%d" % len(processes))  # a log of its own for each life
    processes.append(child)
    return child


def calls(simulator, action):
    return [r for r in simulator.requests()["requests"] if r["action"] == action]


def targets(requests):
    return [(r["serial"], r["version_type"]) for r in requests]


def fleet(simulator):
    """{(serial, version type): policy} as the cloud has it."""
    found = {}
    for instance in simulator.ask("fleet")["instances"]:
        for device in instance["devices"]:
            found[(device["serial"], "Device")] = dict(MANUAL, **device.get("auto_upgrade", {}))
            found[(device["serial"], "Dpi")] = dict(MANUAL, **device.get("dpi_auto_upgrade", {}))
    return found


def wait_reads(simulator, n):
    before = len(calls(simulator, DESCRIBE))
    wait_for("%d more reads" % n, lambda: len(calls(simulator, DESCRIBE)) >= before + n)


def wait_held(simulator):
    wait_for("all that a pin holds to be manual", lambda: all(fleet(simulator)[t]["type"] == "manual" for t in HELD))


def hold_and_put_back(build, sig):
    with world(build) as (work, processes):
        simulator = start(build, work, processes)
        before = fleet(simulator)
        child = daemon(build, work, processes, simulator)
        wait_held(simulator)
        wait_reads(simulator, 25)
        assert sorted(targets(calls(simulator, MODIFY))) == sorted(HELD), calls(simulator, MODIFY)
        now = fleet(simulator)
        for target, policy in now.items():
            assert policy == (dict(before[target], type="manual") if target in HELD else before[target]), (target, policy)
        assert "leaves the device alone now" in child.text() and "from=scheduled to=manual" in child.text(), child.text()[-2000:]
        assert child.sum("sag_auto_upgrade_policy_info", serial_number="a1", upgrade_type="manual") == 2
        child.stop(sig)
        other = daemon(build, work, processes, simulator, pins=NO_PIN)
        wait_for("everything to be as it was", lambda: fleet(simulator) == before)
        wait_for("that to be told", lambda: other.text().count("is set as it was before") == len(HELD))
        assert sorted(targets(calls(simulator, MODIFY))) == sorted(list(HELD) * 2)
        other.stop()
        again = daemon(build, work, processes, simulator, pins=NO_PIN)
        wait_for("a listing", lambda: again.sum("sagpin_up") == 1)
        n = len(calls(simulator, DESCRIBE))
        wait_for("two more listings", lambda: len(calls(simulator, "DescribeSmartAccessGateways")) > 4)
        assert len(calls(simulator, DESCRIBE)) == n, "what no pin matches is read"
        assert fleet(simulator) == before and len(calls(simulator, MODIFY)) == 2 * len(HELD)


def test_hold_and_put_back(build):
    hold_and_put_back(build, signal.SIGTERM)


def test_hold_and_put_back_after_a_crash(build):
    hold_and_put_back(build, signal.SIGKILL)


def test_observe_mode_never_writes(build):
    with world(build) as (work, processes):
        simulator = start(build, work, processes)
        before = fleet(simulator)
        child = daemon(build, work, processes, simulator, mode="observe")
        wait_reads(simulator, 25)
        assert not calls(simulator, MODIFY) and fleet(simulator) == before
        found = ask(child.socket, "/v1/targets?serial_number=a1")[1]["targets"]
        policy = [t for t in found if t["version_type"] == "Device"][0]["auto_upgrade"]
        assert policy["upgrade_type"] == "scheduled" and policy["cron"] == NIGHTLY["cron"] and policy["duration_min"] == 90, policy
        assert child.sum("sag_auto_upgrade_policy_info", serial_number="b1", upgrade_type="boot") == 1
        assert child.sum("sag_auto_upgrade_policy_info", serial_number="e1") == 0, "it has no pin"


def test_pause_all_never_writes(build):
    with world(build) as (work, processes):
        simulator = start(build, work, processes)
        first = daemon(build, work, processes, simulator, policy='auto_upgrade = "ignore";')
        assert say(build, first, "pause", "--all")[1]["outcome"] == "done"
        assert not calls(simulator, DESCRIBE)
        first.stop()
        child = daemon(build, work, processes, simulator)
        assert ask(child.socket, "/v1/status")[1]["paused"] is True
        wait_reads(simulator, 25)
        assert not calls(simulator, MODIFY)


def test_what_the_upgrader_moves_is_told(build):
    with world(build) as (work, processes):
        simulator = start(build, work, processes)
        child = daemon(build, work, processes, simulator, policy='auto_upgrade = "report";')
        wait_reads(simulator, 10)
        simulator.ask("auto_upgrade", {"id": "sag-b", "serial": "b1", "version": "3.5.0"})
        wait_for("the move to be told", lambda: "a version moved that sagpin did not move" in child.text(), 60)
        assert not calls(simulator, MODIFY)
        child.stop()
        daemon(build, work, processes, simulator)
        wait_held(simulator)
        status, _, body = get(simulator.control + "_sim/auto_upgrade", method="POST",
                              data=json.dumps({"id": "sag-a", "serial": "a1", "version": "3.5.0"}).encode())
        assert status == 409 and b"manual" in body, (status, body)


def test_set_back_by_hand(build):
    with world(build) as (work, processes):
        simulator = start(build, work, processes)
        child = daemon(build, work, processes, simulator)
        wait_held(simulator)
        simulator.ask("instance", {"id": "sag-b", "region": "cn-shanghai", "auto_upgrade": NIGHTLY})
        wait_for("that to be told", lambda: "set otherwise, and not by sagpin" in child.text())
        wait_reads(simulator, 25)
        assert sorted(targets(calls(simulator, MODIFY))) == sorted(HELD), "once a day is enough"
        assert fleet(simulator)[("b1", "Device")]["type"] == "scheduled"


def test_a_refusal_is_told_and_not_repeated_at_once(build):
    with world(build) as (work, processes):
        fleet_now = json.loads(json.dumps(FLEET))
        fleet_now["instances"][1]["forbidden"] = True
        simulator = start(build, work, processes, fleet_now)
        child = daemon(build, work, processes, simulator)
        wait_for("the refusal", lambda: ("b1", "Device") in targets(calls(simulator, MODIFY)))
        wait_for("the others", lambda: len(set(targets(calls(simulator, MODIFY)))) == len(HELD))
        wait_reads(simulator, 25)
        assert sorted(targets(calls(simulator, MODIFY))) == sorted(HELD)
        assert fleet(simulator)[("b1", "Device")]["type"] == "boot"
        wait_for("that to be told", lambda: "could not be set; it is tried again" in child.text(), 90)


if __name__ == "__main__":
    run(globals())
