"""Between daemon and cloud: connections that die, servers that are silent, slow or point elsewhere, proxies. No call twice."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, run, wait_for, world  # noqa: E402
from peers import Trap, Wire, is_upgrade  # noqa: E402

OBSERVE = dict(mode="observe", poll_interval="1s")
STEADY = {"offline", "degraded", "held", "in_arrears", "not_activated", "not_bound", "duplicate"}


def is_at_rest(daemon):
    targets = daemon.targets()
    return targets and all(t["phase"] in ("in_sync", "ahead", "unmanaged") or t["reason"] in STEADY for t in targets)


def port_of(simulator):
    return int(re.search(r":(\d+)/", simulator.endpoint).group(1))


def upgrades(simulator):
    return [r for r in simulator.requests()["requests"] if r["action"] == "UpdateSmartAccessGatewayVersion"]


def behind_wire(work, processes, build, decide, settings=None, simulator_args=("--upgrade-time=1s",), instances=30, env=None):
    simulator = Simulator(build, work, *simulator_args, instances=instances)
    processes.append(simulator)
    wire = Wire(port_of(simulator), decide)
    processes.append(wire)
    daemon = Daemon(build, work, config("http://127.0.0.1:%d/" % wire.port, **(settings or {})), env=env)
    processes.append(daemon)
    return simulator, wire, daemon


def says(daemon, pattern, seconds=20):
    return wait_for("the log to say %r" % pattern, lambda: re.search(pattern, daemon.text()), seconds)


def assert_web_is_quick(daemon):
    for _ in range(10):
        assert daemon.get("/-/healthy", timeout=1)[0] == 200
        assert daemon.get("/metrics", timeout=1)[0] == 200


def test_connections_that_die_after_the_request(build):
    """Reads on kept connections and every second upgrade: taken by the cloud, and cut before the reply."""
    count = {"upgrade": 0, "read": 0}

    def decide(header, use):
        kind = "upgrade" if is_upgrade(header) else "read"
        count[kind] += 1
        if kind == "upgrade":
            return ("cut", "close", "pass", "pass")[count[kind] % 4]
        return ("cut", "close")[count[kind] % 2] if use > 1 and count[kind] % 5 == 0 else "pass"

    with world(build) as (work, processes):
        simulator, wire, daemon = behind_wire(work, processes, build, decide, dict(deadline="3s", policy_in_flight="40%"), instances=20)
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 60, 0.2)
        calls = upgrades(simulator)
        per_target = {}
        for r in calls:
            per_target[r["serial"]] = per_target.get(r["serial"], 0) + 1
        assert set(per_target.values()) == {1}, {s: n for s, n in per_target.items() if n > 1}
        assert all(r["applied"] for r in calls)
        seen = wire.requests()
        on_wire = [s for s in seen if s[2]]
        assert len(on_wire) == len(calls) == len({r["nonce"] for r in calls}) > 10
        assert {use for _, use, _, _ in on_wire} == {1}, "an upgrade went over a used connection"
        upgrade_connections = {number for number, _, _, _ in on_wire}
        assert len(upgrade_connections) == len(on_wire) and not [s for s in seen if s[0] in upgrade_connections and not s[2]]
        assert {v for _, _, _, v in on_wire} == {"cut", "close", "pass"}
        assert [s for s in seen if not s[2] and s[1] > 1 and s[3] in ("cut", "close")], "no kept connection was cut"
        assert re.search(r"reason=unconfirmed", daemon.text()) and daemon.sum("sagpin_upgrades_succeeded_total") == len(calls)
        assert daemon.sum("sagpin_upgrades_failed_total") == 0


def test_an_upgrade_that_never_reached_the_cloud(build):
    """The connection dies before the request is forwarded: the daemon cannot know, so it waits, and only then goes again."""
    dropped = []

    def decide(header, use):
        if is_upgrade(header) and len(dropped) < 3:
            dropped.append(time.monotonic())
            return "drop"
        return "pass"

    with world(build) as (work, processes):
        simulator, wire, daemon = behind_wire(work, processes, build, decide, dict(deadline="3s"))
        says(daemon, r"outcome=no_effect", 30)
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 60, 0.2)
        assert len(dropped) == 3 and len(re.findall(r"outcome=no_effect", daemon.text())) == 3
        calls = upgrades(simulator)
        assert len({r["serial"] for r in calls}) == len(calls)
        assert len([s for s in wire.requests() if s[2]]) == len(calls) + 3
        assert daemon.sum("sagpin_upgrades_failed_total", reason="no_effect") == daemon.sum("sagpin_upgrades_failed_total") == 3
        assert daemon.sum("sag_upgrade_failures_total") == 0, "an upgrade without effect is no failure of its target"


def test_a_server_that_never_answers(build):
    silent = []

    def decide(header, use):
        return "swallow" if silent else "pass"

    with world(build) as (work, processes):
        _, wire, daemon = behind_wire(work, processes, build, decide, dict(OBSERVE, timeout="1s"))
        wait_for("the first listing", lambda: daemon.sum("sagpin_up") == 1)
        known = sorted(t["instance_id"] for t in daemon.targets())
        silent.append(1)
        says(daemon, r"API call failed.*error=.*no answer in time")
        assert_web_is_quick(daemon)
        wait_for("sagpin_up 0", lambda: daemon.sum("sagpin_up") == 0)
        assert sorted(t["instance_id"] for t in daemon.targets()) == known
        silent.clear()
        wait_for("recovery", lambda: daemon.sum("sagpin_up") == 1)


def test_upgrades_that_are_never_answered(build):
    with world(build) as (work, processes):
        simulator, wire, daemon = behind_wire(
            work, processes, build, lambda header, use: "swallow" if is_upgrade(header) else "pass", dict(timeout="1s", deadline="3s"), instances=15)
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 60, 0.2)
        calls = upgrades(simulator)
        assert len({r["serial"] for r in calls}) == len(calls) > 5
        assert len([s for s in wire.requests() if s[2]]) == len(calls)
        assert len(re.findall(r"reason=unconfirmed", daemon.text())) == len(calls)


def test_one_byte_a_second(build):
    with world(build) as (work, processes):
        _, wire, daemon = behind_wire(work, processes, build, lambda header, use: "drip", dict(OBSERVE, timeout="2s"))
        says(daemon, r"API call failed.*error=.*no answer in time")
        assert_web_is_quick(daemon)
        assert daemon.sum("sagpin_up") == 0
        assert daemon.stop(seconds=3) == 0


def test_redirects_are_not_followed(build):
    with world(build) as (work, processes):
        trap = Trap("trap")
        processes.append(trap)
        status = {"reads": "302 Found", "only_upgrades": False}

        def decide(header, use):
            if status["only_upgrades"] and not is_upgrade(header):
                return "pass"
            return ("HTTP/1.1 %s\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % (status["reads"], trap.port)).encode()

        simulator, wire, daemon = behind_wire(work, processes, build, decide, dict(poll_interval="1s", deadline="1s"), instances=20)
        says(daemon, r"API call failed.*http_status=302.*error=")
        for code in ("301 Moved", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"):
            status["reads"] = code
            before = len(wire.requests())
            wait_for("another listing", lambda: len(wire.requests()) > before + 1)
        assert daemon.sum("sagpin_up") == 0 and daemon.sum("sagpin_inventory_instances") == 0
        status["only_upgrades"] = True
        says(daemon, r"action=UpdateSmartAccessGatewayVersion.*http_status=308", 30)
        assert any(t["reason"] == "unconfirmed" for t in daemon.targets()), "nobody knows what stands behind a redirect"
        assert not upgrades(simulator)
        assert daemon.stop() == 0
        assert trap.accepted == 0, trap.text()


PROXY_WORDS = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def test_a_proxy_in_the_environment_is_not_for_loopback(build):
    with world(build) as (work, processes):
        trap = Trap("proxy")
        processes.append(trap)
        env = {word: "http://127.0.0.1:%d" % trap.port for word in PROXY_WORDS}
        env.update(no_proxy="", NO_PROXY="")
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=10)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="1s"), env=env)
        processes.append(daemon)
        wait_for("an upgrade", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 0)
        assert trap.accepted == 0, trap.text()
        other = Daemon(build, work, config("https://smartag.example.invalid/", state="remote.db", **OBSERVE), env=env, name="remote")
        processes.append(other)
        wait_for("the proxy to be asked for another host", lambda: "CONNECT smartag.example.invalid:443" in trap.text())
        assert "Authorization" not in trap.text().replace("Proxy-Authorization", ""), "a signature reached the proxy"


run(globals())
