"""The main job over real sockets: pins in, upgrades out, metrics served; no target called twice for one intent."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, run, wait_for, world  # noqa: E402

RESTING = {"offline", "degraded", "held", "in_arrears", "not_activated", "not_bound", "observe_mode", "duplicate", "forbidden", "invalid_instance"}


def is_at_rest(daemon):
    """Nothing that would go on by itself is left."""
    targets = daemon.targets()
    return targets and all(t["phase"] in ("in_sync", "ahead", "unmanaged") or t["reason"] in RESTING for t in targets)


def calls_per_target(simulator):
    calls = {}
    for r in simulator.requests()["requests"]:
        if r["action"] == "UpdateSmartAccessGatewayVersion":
            key = (r["instance"], r["serial"], r["version_type"], r["version"])
            calls[key] = calls.get(key, 0) + 1
    return calls


def converge(build, signature):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=2s", instances=100)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, signature=signature))
        processes.append(daemon)
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 120, 0.5)
        calls = calls_per_target(simulator)
        assert calls, "no upgrade was called at all"
        assert set(calls.values()) == {1}, {k: n for k, n in calls.items() if n != 1}
        for (instance, serial, version_type, version) in calls:
            assert instance and serial and version_type == "Device" and version == "3.4.2"
        metrics = daemon.metrics()
        total = lambda name: sum(v for (n, _), v in metrics.items() if n == name)  # noqa: E731
        assert total("sagpin_upgrades_started_total") == len(calls)
        assert total("sagpin_upgrades_succeeded_total") == len(calls)
        assert total("sagpin_upgrades_failed_total") == 0
        assert total("sag_upgrade_attempts_total") == len(calls)
        assert total("sagpin_upgrade_duration_seconds_count") == len(calls)
        behind = {dict(p)["instance_id"] for (n, p), v in metrics.items() if n == "sag_version_behind" and v == 1}
        waiting = {t["instance_id"] for t in daemon.targets() if t["phase"] in ("waiting", "failed")}
        assert behind <= waiting, behind - waiting
        assert daemon.stop() == 0
        for secret in ("simulator-secret-not-a-real-one",):
            assert secret not in daemon.text()


def test_converges_with_v3(build):
    converge(build, "v3")


def test_converges_with_v2(build):
    converge(build, "v2")


def test_observe_mode_writes_nothing(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe"))
        processes.append(daemon)
        wait_for("drift to be seen", lambda: daemon.sum("sag_version_behind") > 0)
        wait_for("three listings", lambda: len([r for r in simulator.requests()["requests"] if r["action"] == "DescribeSmartAccessGateways"]) >= 6)
        assert any(t["reason"] == "observe_mode" for t in daemon.targets())
        reads = {r["action"] for r in simulator.requests()["requests"]}
        assert reads <= {"DescribeSmartAccessGateways", "DescribeDeviceAutoUpgradePolicy"}, reads
        assert daemon.sum("sagpin_mode_enforce") == 0


def test_a_full_observation_takes_one_call_for_50(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=501)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe", poll_interval="1h", policy='auto_upgrade = "ignore";'))
        processes.append(daemon)
        wait_for("the fleet to be listed", lambda: daemon.sum("sagpin_up") == 1)
        calls = [r for r in simulator.requests()["requests"]]
        assert len(calls) == 11, len(calls)


def test_killed_and_restarted_calls_nothing_twice(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=3s", instances=60)
        processes.append(simulator)
        text = config(simulator.endpoint, deadline="8s")
        daemon = Daemon(build, work, text)
        processes.append(daemon)
        wait_for("upgrades to be under way", lambda: len(calls_per_target(simulator)) > 5)
        daemon.stop(signal.SIGKILL)
        before = calls_per_target(simulator)
        daemon = Daemon(build, work, text, name="sagpin2")
        processes.append(daemon)
        wait_for("the unsettled ones to be followed", lambda: any(t["phase"] == "upgrading" for t in daemon.targets()) or is_at_rest(daemon))
        assert not any(t["reason"] == "settling" for t in daemon.targets()), "settles although it has its state"
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 120, 0.5)
        after = calls_per_target(simulator)
        assert all(after[k] == n == 1 for k, n in before.items()), "called again after the restart"


def test_without_its_state_it_settles_first(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=3s", instances=60)
        processes.append(simulator)
        text = config(simulator.endpoint, deadline="8s")
        daemon = Daemon(build, work, text)
        processes.append(daemon)
        wait_for("upgrades to be under way", lambda: len(calls_per_target(simulator)) > 5)
        daemon.stop(signal.SIGKILL)
        for name in os.listdir(work):
            if name.startswith("state.db"):
                os.unlink(os.path.join(work, name))
        before = calls_per_target(simulator)
        daemon = Daemon(build, work, text, name="sagpin2")
        processes.append(daemon)
        wait_for("settling to be shown", lambda: any(t["reason"] == "settling" for t in daemon.targets()))
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 120, 0.5)
        after = calls_per_target(simulator)
        assert all(after[k] == n == 1 for k, n in before.items()), "called again after the restart"


def test_a_lost_reply_is_not_called_again(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=2s", "--fault=lost_reply=always@UpdateSmartAccessGatewayVersion", instances=40)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="8s"))
        processes.append(daemon)
        wait_for("an unconfirmed upgrade", lambda: any(t["reason"] == "unconfirmed" for t in daemon.targets()))
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 120, 0.5)
        calls = calls_per_target(simulator)
        assert calls and set(calls.values()) == {1}, calls


def test_a_held_pin_is_shown_and_never_called(build):
    pins = '''  { name = "held"; match: { id = "*"; }; device = "3.4.2"; policy = "fast"; hold = true; }'''
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=40)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, pins=pins, deadline="1s"))
        processes.append(daemon)
        wait_for("held to be shown", lambda: any(t["reason"] == "held" for t in daemon.targets()))
        seen = len(simulator.requests()["requests"])
        wait_for("more listings", lambda: len(simulator.requests()["requests"]) >= seen + 4)
        assert not calls_per_target(simulator)


run(globals())
