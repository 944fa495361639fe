"""Debian's Prometheus scrapes the daemon every second while a fleet converges, and its own numbers are asked for the truth."""
import json
import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Process, Simulator, config, get, run, wait_for, world  # noqa: E402
from peers import free_port  # noqa: E402

CONFIG = """
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
scrape_configs:
  - job_name: sagpin
    static_configs: [ { targets: [ "%s" ] } ]
"""
TARGET = "account,region_id,instance_id,serial_number,version_type"
# What waits for a human or for the site, and so goes nowhere by itself.
STEADY = "offline|degraded|held|in_arrears|not_activated|not_bound|duplicate|forbidden|invalid_instance"
BEHIND = 'sum(sag_version_behind unless on(%s) sag_target_state{reason=~"%s"}) + 0 * sum(sag_target_state)' % (TARGET, STEADY)


class Prometheus(Process):
    def __init__(self, work, text, name="prometheus", port=None):
        port = port or free_port()
        path = os.path.join(work, name + ".yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        super().__init__(work, name, [
            "prometheus", "--config.file=" + path, "--storage.tsdb.path=" + os.path.join(work, name + ".tsdb"),
            "--web.listen-address=127.0.0.1:%d" % port, "--log.format=logfmt"], cwd=work)
        self.port = port
        self.url = "http://127.0.0.1:%d" % port
        wait_for("Prometheus to be ready", lambda: not self.is_running() or self.is_ready(), 30)
        assert self.is_running(), self.text()

    def is_ready(self):
        try:
            return get(self.url + "/-/ready")[0] == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        status, _, body = get(self.url + "/api/v1/" + path + "?" + urllib.parse.urlencode(parameters))
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", (path, parameters, body)
        return answer["data"]

    def query(self, promql, **parameters):
        """[({label: value}, number)]"""
        return [(r["metric"], float(r["value"][1])) for r in self.api("query", query=promql, **parameters)["result"]]

    def value(self, promql, **parameters):
        """The one number of an answer, or None."""
        rows = self.query(promql, **parameters)
        assert len(rows) < 2, (promql, rows)
        return rows[0][1] if rows else None


def upgrade_counts(simulator):
    counts = simulator.ask("upgrades")
    assert counts["uncounted"] == 0
    return counts


def listings_after(simulator, sequence):
    """How many pages were read since."""
    return len([r for r in simulator.ask("requests?since=%d" % sequence)["requests"] if r["action"] == "DescribeSmartAccessGateways"])


def check_convergence(prometheus, daemon, simulator):
    wait_for("Prometheus to see drift", lambda: (prometheus.value(BEHIND) or 0) > 20, 30)
    wait_for("Prometheus to see none", lambda: prometheus.value(BEHIND) == 0, 90, 0.3)
    counts = upgrade_counts(simulator)
    assert all(t["requests"] == t["accepted"] == 1 for t in counts["targets"]), counts
    wait_for("the last upgrade to be counted", lambda: prometheus.value("sum(sagpin_upgrades_succeeded_total)") == counts["accepted"], 30)
    # Not increase(): Prometheus may make its first scrape when some are counted already.
    last = prometheus.value("max(timestamp(sagpin_upgrades_succeeded_total))")
    for metric in ("sagpin_upgrades_succeeded_total", "sagpin_upgrades_started_total", "sag_upgrade_attempts_total"):
        got = prometheus.value("sum(%s)" % metric, time=last)
        assert got is not None and abs(got - counts["accepted"]) < 1e-6, (metric, got, counts["accepted"])
    assert prometheus.value("sum(sagpin_upgrades_failed_total)") == 0
    assert prometheus.value("sagpin_upgrade_duration_seconds_count") == counts["accepted"]
    quantile = prometheus.value("histogram_quantile(0.5, rate(sagpin_upgrade_duration_seconds_bucket[1h]))")
    assert 0 < quantile <= 60, quantile
    assert prometheus.value("max(max_over_time(sag_upgrade_in_progress[1h]))") == 1


def check_scrapes(prometheus, daemon):
    assert prometheus.value("min_over_time(up[1h])") == 1, "a scrape failed"
    assert prometheus.value("count_over_time(up[1h])") >= 8
    # Only OpenMetrics carries a unit: so this is what Prometheus was given, and not only what it would be given.
    for metric, unit in (("sag_target_state_since_timestamp_seconds", "seconds"), ("process_resident_memory_bytes", "bytes")):
        metadata = prometheus.api("targets/metadata", metric=metric)
        assert [m["unit"] for m in metadata] == [unit], metadata
    accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    assert daemon.get("/metrics", headers={"Accept": accept})[1]["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    bad = [line for line in prometheus.text().splitlines() if re.search(r"level=(warn|error)", line)]
    assert not bad, bad


def check_removal(prometheus, daemon, simulator):
    gone = next(t["instance_id"] for t in daemon.targets() if t["phase"] == "in_sync")
    selector = '{instance_id="%s"}' % gone
    assert prometheus.value("count(%s)" % selector) > 5
    mark = simulator.requests()["last"]
    simulator.ask("instance", {"id": gone, "remove": True})
    wait_for("the log to say so", lambda: re.search(r'instance left the inventory.*instance_id=' + gone, daemon.text()), 30, 0.02)
    assert not [pairs for _, pairs in daemon.metrics() if dict(pairs).get("instance_id") == gone], "it has left, and is still shown"
    pages = listings_after(simulator, mark)
    assert pages >= 4, "left after less than two complete listings of two pages: %d" % pages
    wait_for("Prometheus to see it leave", lambda: prometheus.value("count(%s)" % selector) is None, 30)
    assert prometheus.value("sagpin_inventory_instances") == 59


def check_idle(daemon, simulator):
    """The part that grows with the fleet costs a storage nothing while nothing happens."""
    def fleet_part():
        status, _, body = daemon.get("/metrics")
        assert status == 200
        return [line for line in body.splitlines() if b"sag_" in line]

    first = fleet_part()
    mark = simulator.requests()["last"]
    wait_for("two more listings", lambda: listings_after(simulator, mark) >= 5)
    assert fleet_part() == first and len(first) > 500


def test_prometheus_sees_the_fleet_converge(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1500ms", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="6s", poll_interval="1s", policy_in_flight="30%"))
        processes.append(daemon)
        prometheus = Prometheus(work, CONFIG % daemon.address)
        processes.append(prometheus)
        check_convergence(prometheus, daemon, simulator)
        check_idle(daemon, simulator)
        check_removal(prometheus, daemon, simulator)
        done = subprocess.run(["promtool", "check", "metrics"], input=daemon.get("/metrics")[2], capture_output=True)
        assert done.returncode == 0, done
        check_scrapes(prometheus, daemon)


if __name__ == "__main__":
    run(globals())
