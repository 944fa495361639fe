"""nghttpx in front of the cloud, with TLS and HTTP/2: reads share connections, an upgrade has one of its own."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Process, Simulator, config, run, wait_for, world  # noqa: E402
from peers import certificate, free_port  # noqa: E402

STEADY = {"offline", "degraded", "held", "in_arrears", "not_activated", "not_bound", "duplicate"}
UPGRADE = "UpdateSmartAccessGatewayVersion"


class Nghttpx(Process):
    """TLS with ALPN h2 and http/1.1, plain HTTP/1.1 to the backend; Host stays what the client signed."""

    def __init__(self, work, backend_port):
        self.port = free_port()
        self.cert, key = certificate(work)
        self.access_log = os.path.join(work, "access.log")
        super().__init__(work, "nghttpx", [
            "nghttpx", "--conf=/dev/null", "--single-process", "--frontend=127.0.0.1,%d" % self.port, "--backend=127.0.0.1,%d" % backend_port,
            "--accesslog-file=" + self.access_log,
            "--accesslog-format=$remote_port $alpn $method $status $http_x_acs_action", "--workers=1", key, self.cert])
        wait_for("nghttpx to listen", lambda: "LISTEN" in self.text().upper() or not self.is_running())
        assert self.is_running(), self.text()

    def requests(self):
        """[(client port, "h2" or "http/1.1", action, status)] in the order of the answers."""
        with open(self.access_log, encoding="utf-8") as f:
            rows = [line.split(" ") for line in f.read().splitlines()]
        return [(int(port), alpn, action, int(status)) for port, alpn, _, status, action in rows]


def is_at_rest(daemon):
    targets = daemon.targets()
    return targets and all(t["phase"] in ("in_sync", "ahead", "unmanaged") or t["reason"] in STEADY for t in targets)


def converge(build, instances):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=instances)
        processes.append(simulator)
        front = Nghttpx(work, int(re.search(r":(\d+)/", simulator.endpoint).group(1)))
        processes.append(front)
        text = config("https://127.0.0.1:%d/" % front.port, api='ca_file = "%s";' % front.cert, deadline="4s", poll_interval="1s")
        daemon = Daemon(build, work, text)
        processes.append(daemon)
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 60, 0.2)
        assert daemon.stop() == 0
        calls = simulator.ask("upgrades")
        assert len(calls["targets"]) > 10 and all(t["requests"] == t["accepted"] == 1 for t in calls["targets"]), calls
        journal = simulator.requests()["requests"]
        assert {r["code"] for r in journal} == {"OK"}, {r["code"] for r in journal}
        return front.requests(), len(calls["targets"]), len(journal)


def test_reads_share_one_connection(build):
    """Nothing but reads: one HTTP/2 connection, even for two regions that are listed at the same moment."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--region=cn-shanghai", "--region=cn-hangzhou", instances=500)
        processes.append(simulator)
        front = Nghttpx(work, int(re.search(r":(\d+)/", simulator.endpoint).group(1)))
        processes.append(front)
        text = config("https://127.0.0.1:%d/" % front.port, mode="observe", poll_interval="1s", api='ca_file = "%s";' % front.cert)
        daemon = Daemon(build, work, text.replace('[ "cn-shanghai" ]', '[ "cn-shanghai", "cn-hangzhou" ]'))
        processes.append(daemon)
        wait_for("three listings", lambda: len(front.requests()) >= 30)
        assert daemon.sum("sagpin_up") == 2
        rows = front.requests()
        assert {alpn for _, alpn, _, _ in rows} == {"h2"} and len({port for port, _, _, _ in rows}) == 1, rows


def test_reads_share_http2_and_upgrades_do_not(build):
    rows, n_upgrades, n_requests = converge(build, 60)
    reads = [r for r in rows if r[2] != UPGRADE]
    upgrades = [r for r in rows if r[2] == UPGRADE]
    assert len(rows) == n_requests and {status for _, _, _, status in rows} == {200}
    assert len(upgrades) == n_upgrades
    assert {alpn for _, alpn, _, _ in reads} == {"h2"}, "a read went over HTTP/1.1"
    assert {alpn for _, alpn, _, _ in upgrades} == {"http/1.1"}, "an upgrade went over HTTP/2"
    fresh = [port for port, _, _, _ in upgrades]
    shared = {port for port, _, _, _ in reads}
    assert len(set(fresh)) == len(fresh) and not shared & set(fresh), "an upgrade shared a connection"
    # One, as long as there are only reads. Later libcurl opens another now and then: an HTTP/1.1 answer makes it forget,
    # until the next handshake, that this host can share. Far fewer than the 16 that may be open.
    first_upgrade = rows.index(upgrades[0])
    assert len({port for port, _, _, _ in rows[:first_upgrade]}) == 1
    assert len(reads) > 100 and len(shared) <= 8, "%d reads took %d connections" % (len(reads), len(shared))


run(globals())
