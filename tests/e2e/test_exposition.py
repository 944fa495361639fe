"""/metrics of the running daemon before strict readers, in every form that it can be asked for."""
import gzip
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../lib", "../integration", "../lint"):
    sys.path.insert(0, os.path.join(HERE, folder))
from exposition_check import check  # noqa: E402
from harness import Daemon, Simulator, config, run, wait_for, world  # noqa: E402
from readme_metrics import TARGET, catalogue  # noqa: E402

OPENMETRICS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
TYPES = {"text": "text/plain; version=0.0.4; charset=utf-8", "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
# Counters that have already counted when a scrape is served: our own work.
AT_WORK = {"process_cpu_seconds_total", "sagpin_reconcile_steps_total", "sagpin_log_messages_total", "sagpin_api_requests_total",
           "sagpin_api_errors_total", "sagpin_http_requests_total"}


def scrape(daemon, form, is_compressed=False):
    """The text, after content type and compression were checked."""
    headers = {"Accept": OPENMETRICS if form == "openmetrics" else "text/plain"}
    if is_compressed:
        headers["Accept-Encoding"] = "gzip"
    status, answered, body = daemon.get("/metrics", headers=headers)
    assert status == 200 and answered["Content-Type"] == TYPES[form], (status, answered.items())
    assert answered["Content-Encoding"] == ("gzip" if is_compressed else None)
    assert "Accept" in answered["Vary"] and "Accept-Encoding" in answered["Vary"]
    return gzip.decompress(body) if is_compressed else body


def series(text):
    """{name and labels: value}, in order."""
    return dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))


def families(text):
    return re.findall(r"^# TYPE (\S+) ", text.decode(), re.M)


def fleet_part(text):
    return [line for line in text.decode().splitlines() if re.match(r"(# \w+ )?sag_", line)]


def test_every_scrape_of_a_rollout_is_strictly_good(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=invalid_utf8=0.2", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s", policy_in_flight="20%"))
        processes.append(daemon)
        seen = set()

        def is_done():
            for form in TYPES:
                for is_compressed in (False, True):
                    text = scrape(daemon, form, is_compressed)
                    problems = check(text, form == "openmetrics")
                    assert not problems, (form, problems[:5])
            seen.update(re.findall(r'^sag_target_state\{.*phase="(\w+)"', text.decode(), re.M))
            return daemon.sum("sagpin_upgrades_succeeded_total") > 20

        wait_for("twenty upgrades", is_done, 60, 0.2)
        assert {"waiting", "upgrading", "verifying", "in_sync"} <= seen, seen


def test_forms_of_an_idle_fleet_agree(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe", poll_interval="1h"))
        processes.append(daemon)
        wait_for("the fleet", lambda: daemon.sum("sagpin_up") == 1 and daemon.targets())
        texts = {(form, is_compressed): scrape(daemon, form, is_compressed) for form in TYPES for is_compressed in (False, True)}
        for form in TYPES:
            plain, unpacked = texts[form, False], texts[form, True]
            assert fleet_part(plain) == fleet_part(unpacked) and len(fleet_part(plain)) > 500
            assert list(series(plain)) == list(series(unpacked)) and families(plain) == families(unpacked)
        text, openmetrics = series(texts["text", False]), series(texts["openmetrics", False])
        assert sorted(text) == sorted(openmetrics), set(text) ^ set(openmetrics)
        assert {k: v for k, v in text.items() if k.startswith("sag_")} == {k: v for k, v in openmetrics.items() if k.startswith("sag_")}


def test_all_is_there_from_the_first_scrape(build):
    """Before anything was listed: every metric that needs no instance, and every counter that did not work yet at 0."""
    with world(build) as (work, processes):
        daemon = Daemon(build, work, config("http://127.0.0.1:9/"))
        processes.append(daemon)
        text = scrape(daemon, "text")
        assert not check(text, False), check(text, False)[:5]
        there = families(text)
        never = {"sagpin_credentials_expiry_timestamp_seconds"}  # the key of this test does not expire
        for name, kind, labels, _ in catalogue():
            # what is made of instances cannot be there without any
            is_of_instances = name.startswith("sag_") or {"instance_id", "version"} & set(labels) and kind == "gauge" and name != "sagpin_build_info"
            assert (name in there) != bool(is_of_instances or name in never), name
            if kind == "counter" and name in there and name not in AT_WORK:
                values = {v for k, v in series(text).items() if k.partition("{")[0] == name}
                assert values == {"0"}, (name, values)
        names = [name for name, _, _, _ in catalogue()]
        assert there == [n for n in names if n in there], "not in the order of the catalogue"
        started = [k for k in series(text) if k.startswith("sagpin_upgrades_started_total")]
        assert len(started) == 2 and all('policy="fast"' in k for k in started), started
        assert len([k for k in series(text) if k.startswith("sagpin_upgrade_errors_total")]) == 11


def test_no_series_has_a_label_that_the_catalogue_lacks(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=30)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe"))
        processes.append(daemon)
        wait_for("the fleet", lambda: daemon.targets())
        labels_of = {name: labels for name, _, labels, _ in catalogue()}
        for name, pairs in daemon.metrics():
            base = name if name in labels_of else re.sub(r"_(bucket|sum|count)$", "", name)
            wanted = labels_of[base] + (["le"] if name.endswith("_bucket") else [])
            assert [k for k, _ in pairs] == wanted, (name, pairs)
        assert labels_of["sag_target_state"][:5] == TARGET


def test_methods_and_paths(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=10)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe"))
        processes.append(daemon)
        wait_for("ready", lambda: daemon.get("/-/ready")[0] == 200)
        for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
            status, headers, body = daemon.get(path, method="HEAD")
            assert status == 200 and body == b"" and headers["Content-Type"] == daemon.get(path)[1]["Content-Type"], path
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                status, headers, _ = daemon.get(path, method=method, data=b"x" * 100 if method != "DELETE" else None)
                assert status == 405 and headers["Allow"] == "GET, HEAD", (path, method, status)
        for path in ("/metric", "/metrics/", "//metrics", "/../metrics", "/METRICS", "/-/", "/favicon.ico", "/" + "x" * 4000):
            assert daemon.get(path)[0] == 404, path
        assert daemon.get("/metrics?name[]=up&x=%00")[0] == 200
        for accept, form in (("*/*", "text"), ("", "text"), ("application/json", "text"), ("application/openmetrics-text; version=2.0.0", "text"),
                             ("application/openmetrics-text;q=0, text/plain", "text"), ("application/openmetrics-text", "openmetrics")):
            assert daemon.get("/metrics", headers={"Accept": accept})[1]["Content-Type"] == TYPES[form], accept
        assert daemon.sum("sagpin_http_requests_total", handler="/metrics", code="405") == 5
        assert daemon.sum("sagpin_http_requests_total", handler="other", code="404") == 8


def test_totals_only(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe"), "--metrics.targets=none")
        processes.append(daemon)
        wait_for("the fleet", lambda: daemon.sum("sagpin_targets") > 0)
        for form in TYPES:
            text = scrape(daemon, form)
            assert not fleet_part(text) and not check(text, form == "openmetrics")
            assert not re.search(r"instance_id=|serial_number=", text.decode())
        assert daemon.sum("sagpin_inventory_instances") == 60 and daemon.sum("sagpin_targets", phase="waiting") > 0


run(globals())
