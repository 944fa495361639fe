"""What is said about calls is what the cloud saw, and what one region of an account learns holds for the whole account."""
import collections
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, run, wait_for, world  # noqa: E402
from peers import Wire  # noqa: E402
from test_acts import say  # noqa: E402

UPGRADE = "UpdateSmartAccessGatewayVersion"
LIST = "DescribeSmartAccessGateways"
REFUSAL = (b'{"RequestId":"B5D7E2A0-0000-4000-8000-000000000000","HostId":"h","Code":"InvalidAccessKeyId.Inactive",'
           b'"Message":"disabled","Recommend":""}')


def seen_by_cloud(simulator):
    """({action: requests}, {action: throttled}) of the journal."""
    requests = simulator.requests()["requests"]
    return (collections.Counter(r["action"] for r in requests),
            collections.Counter(r["action"] for r in requests if r["code"].startswith("Throttling")))


def told_by_daemon(daemon):
    requests, throttled = collections.Counter(), collections.Counter()
    for (name, pairs), value in daemon.metrics().items():
        labels = dict(pairs)
        if name == "sagpin_api_requests_total" and value:
            requests[labels["action"]] += int(value)
        if name == "sagpin_api_errors_total" and labels["class"] == "throttled" and value:
            throttled[labels["action"]] += int(value)
    return requests, throttled


def test_throttled_reads_are_counted(build):
    """The client puts a throttled read back and asks again; each time is a request and an error, as the cloud counts them."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--fault=throttling=2@" + LIST, instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe"))
        processes.append(daemon)
        wait_for("the first listing", lambda: daemon.sum("sagpin_up") == 1)
        wait_for("the same numbers on both sides", lambda: seen_by_cloud(simulator) == told_by_daemon(daemon), 20)
        simulator.ask("faults", {"throttling": 3})
        wait_for("the fault to be used up", lambda: sum(seen_by_cloud(simulator)[1].values()) == 5, 20)
        wait_for("the same numbers on both sides", lambda: seen_by_cloud(simulator) == told_by_daemon(daemon), 20)
        assert daemon.sum("sagpin_api_errors_total", **{"class": "throttled"}) == daemon.sum("sagpin_api_errors_total") == 5
        assert daemon.sum("sagpin_up") == 1 and "API call failed" not in daemon.text(), "nobody needs to know"


def test_the_history_has_the_ids_of_the_calls(build):
    """Of each upgrade call one row, with the id that the cloud gave it; the ids of reads stand nowhere."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=500ms", "--fault=version_error=2@" + UPGRADE, instances=20)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, policy_in_flight="2"))
        processes.append(daemon)
        wait_for("upgrades", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 3)
        simulator.ask("faults", {"lost_reply": "1@" + UPGRADE})
        wait_for("more upgrades", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 6)
        assert say(build, daemon, "pause", "--all")[0] == 0
        wait_for("the end of what ran", lambda: daemon.sum("sagpin_policy_in_flight") == 0)
        assert daemon.stop() == 0
        calls = [r for r in simulator.requests()["requests"] if r["action"] == UPGRADE]
        outcome = {r["request_id"]: ("unconfirmed", "") if r["lost"] else ("accepted" if r["code"] == "OK" else "refused", r["request_id"]) for r in calls}
        wanted = sorted((r["serial"], r["version_type"], r["version"]) + outcome[r["request_id"]] for r in calls)
        assert sorted({w[3] for w in wanted}) == ["accepted", "refused", "unconfirmed"], wanted
        with sqlite3.connect(os.path.join(work, "state.db")) as db:
            rows = db.execute("SELECT serial_number, version_type, to_version, outcome, request_id FROM history WHERE what = 'called'").fetchall()
            others = db.execute("SELECT what, outcome, request_id FROM history WHERE what != 'called' AND request_id != ''").fetchall()
        assert sorted(rows) == wanted, (sorted(rows), wanted)
        refused = sorted(w[4] for w in wanted if w[3] == "refused")
        assert sorted(others) == sorted(("settled", "refused", i) for i in refused), others


def test_refused_credentials_pause_the_whole_account(build):
    refused = []

    def decide(header, use):
        if refused and b"RegionId=cn-hongkong" in header:
            return b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REFUSAL) + REFUSAL
        return "pass"

    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--region=cn-shanghai", "--region=cn-hongkong", "--upgrade-time=1s", instances=0)
        processes.append(simulator)
        shop = dict(model="sag-1000", version="3.4.2")
        simulator.ask("instance", dict(shop, id="sag-near", region="cn-shanghai", serial="sag1"))
        simulator.ask("instance", dict(shop, id="sag-far", region="cn-hongkong", serial="sag2"))
        wire = Wire(int(re.search(r":(\d+)/", simulator.endpoint).group(1)), decide)
        processes.append(wire)
        text = config("http://127.0.0.1:%d/" % wire.port, poll_interval="1s", deadline="2s")
        daemon = Daemon(build, work, text.replace('regions = [ "cn-shanghai" ]', 'regions = [ "cn-shanghai", "cn-hongkong" ]'))
        processes.append(daemon)
        wait_for("both shops in sync", lambda: [t["phase"] for t in daemon.targets()] == ["in_sync"] * 2)

        simulator.ask("instance", {"id": "sag-near", "version": "3.4.0"})
        wait_for("a first upgrade: the account may, and is not settling any more", lambda: len(calls_of(simulator)) == 1, 20)
        wait_for("the end of it", lambda: [t["phase"] for t in daemon.targets()] == ["in_sync"] * 2, 20)

        refused.append(1)
        wait_for("the refusal to be noticed", lambda: daemon.sum("sagpin_api_errors_total", region_id="cn-hongkong") > 0, 20)
        simulator.ask("instance", {"id": "sag-near", "version": "3.4.0"})
        wait_for("the other region to wait for credentials", lambda: reason_of(daemon, "sag-near") == "credentials", 20)
        listed = lists_of(simulator)
        wait_for("three more listings of the region that works", lambda: lists_of(simulator) >= listed + 3, 20)
        assert reason_of(daemon, "sag-near") == "credentials" and len(calls_of(simulator)) == 1

        refused.clear()
        wait_for("the upgrade after all", lambda: len(calls_of(simulator)) == 2, 40)
        assert len([s for s in wire.requests() if s[2]]) == 2, "one call each, and none was refused on its way"


def calls_of(simulator):
    return [r for r in simulator.requests()["requests"] if r["action"] == UPGRADE]


def lists_of(simulator):
    return len([r for r in simulator.requests()["requests"] if r["action"] == LIST and r["region"] == "cn-shanghai"])


def reason_of(daemon, instance):
    return [t["reason"] for t in daemon.targets() if t["instance_id"] == instance][0]


run(globals())
