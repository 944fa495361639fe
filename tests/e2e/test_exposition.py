"""/metrics of the running daemon before strict readers, in every form that it can be asked for."""
import collections
import datetime
import gzip
import os
import re
import signal
import subprocess
import sys
import zoneinfo

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
           "sagpin_api_errors_total", "sagpin_http_requests_total", "sagpin_state_commits_total"}
PACING = {"wave", "soak", "max_in_flight", "rate", "site", "pair", "precheck"}  # queued in sag_target_state
ROLLOUT = {"policy": "fast", "version_type": "Device", "version": "3.4.2"}

# What stands beside the policy that works: windows, freezes, and a policy whose gate nobody answers.
TIMES = """
windows = (
  { name = "night"; time_zone = "Asia/Shanghai"; days = [ "Mon", "Thu" ]; start = "01:00"; length = "4h"; },
  { name = "days"; time_zone = "Europe/Berlin"; days = [ "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" ]; start = "00:00"; length = "23h59m"; }
);
freezes = (
  { name = "now"; time_zone = "UTC"; from = "2020-01-01"; to = "2099-01-01"; },
  { name = "past"; time_zone = "UTC"; from = "2020-01-01"; to = "2020-01-02"; }
);
"""
GATED = """policies = (
  { name = "gated"; windows = [ "night" ]; deadline = "1s"; verify: { soak = "0s"; }; gate: { prometheus = "http://127.0.0.1:9"; query = "up"; open_when = "empty"; }; },"""
WAVES = """site_by = "city"; max_in_flight_per_site = 3; waves = (
  { name = "canary"; percent = "10%"; success = "1%"; soak = "1s"; }, { name = "early"; percent = "50%"; success = "1%"; soak = "1s"; } );"""


def full_config(endpoint, **kw):
    return TIMES + config(endpoint, **kw).replace("policies = (", GATED)


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


def labeled(metrics, name):
    """[({label: value}, number)] of a metric."""
    return [(dict(pairs), v) for (n, pairs), v in metrics.items() if n == name]


def value(metrics, name, **labels):
    """The one series that has these labels, and no other."""
    found = [v for pairs, v in labeled(metrics, name) if pairs == labels]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def states(metrics):
    """How many targets sag_target_state shows by version type, phase and reason."""
    return collections.Counter((t["version_type"], t["phase"], t["reason"]) for t, _ in labeled(metrics, "sag_target_state"))


def totals(metrics):
    """The same of sagpin_targets, with its exact reasons made those of sag_target_state."""
    out = collections.Counter()
    for t, n in labeled(metrics, "sagpin_targets"):
        is_queued = t["phase"] == "waiting" and t["reason"] in PACING
        out[t["version_type"], t["phase"], "queued" if is_queued else t["reason"]] += int(n)
    return +out


def rollout_phases(metrics):
    out = collections.Counter()
    for t, n in labeled(metrics, "sagpin_rollout_targets"):
        out[t["version_type"], t["phase"]] += int(n)
    return +out


def check_sums(metrics):
    """The three ways to count the same targets."""
    shown = states(metrics)
    assert shown == totals(metrics), (shown - totals(metrics), totals(metrics) - shown)
    managed = collections.Counter()
    for (version_type, phase, _), n in shown.items():
        if phase != "unmanaged":
            managed[version_type, phase] += n
    assert managed == rollout_phases(metrics), (managed, rollout_phases(metrics))
    by_version = sum(n for _, n in labeled(metrics, "sagpin_targets_by_version"))
    assert by_version == len(labeled(metrics, "sag_version_info"))


def sagpin(build, daemon, *args):
    done = subprocess.run([os.path.join(build, "daemon/sagpin"), args[0], "--control.socket=" + daemon.socket, "--why=a test"] + list(args[1:]),
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode


def is_at_rest(metrics):
    """Nothing moves, and nothing will before somebody does something."""
    return states(metrics) and all(phase not in ("upgrading", "verifying") and reason not in ("queued", "backoff", "settling", "approval")
                                   for _, phase, reason in states(metrics))


def test_a_rollout_shows_every_metric(build):
    """From approval over waves to rest, with all that the catalogue names, and sums that agree."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=stuck=2", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, full_config(simulator.endpoint, deadline="2s", blast_radius="0%", policy=WAVES))
        processes.append(daemon)
        seen, waves = set(), []

        def look():
            metrics = daemon.metrics()
            seen.update(re.sub(r"_(bucket|sum|count)$", "", n) for n, _ in metrics)
            waves.extend((pairs["wave"], n) for pairs, n in labeled(metrics, "sagpin_rollout_current_wave") if (pairs["wave"], n) not in waves)
            for name in ("halted", "paused", "awaiting_approval"):
                assert value(metrics, "sagpin_rollout_" + name, **ROLLOUT) == 0, name
            return metrics

        wait_for("targets that wait with approval", lambda: daemon.sum("sagpin_targets", reason="approval") > 20)
        metrics = look()
        waiting = value(metrics, "sagpin_approvals_waiting", account="test", version_type="Device", version="3.4.2")
        assert waiting >= states(metrics)["Device", "waiting", "approval"], waiting  # those that have failed wait for it, too
        assert not value(metrics, "sagpin_upgrades_started_total", account="test", region_id="cn-shanghai", version_type="Device", policy="fast")
        check_sums(metrics)
        approve = ("approve", "--account=test", "--version-type=Device", "--version=3.4.2")
        assert sagpin(build, daemon, *approve, "--count=%d" % (waiting - 1)) != 0, "approved by a count that is too small"
        assert sagpin(build, daemon, *approve, "--count=%d" % waiting) == 0
        wait_for("rest", lambda: is_at_rest(look()), 60, 0.1)
        metrics = look()
        check_sums(metrics)
        assert waves == [("canary", 1), ("early", 2), ("last", 3)], waves
        assert not labeled(metrics, "sagpin_approvals_waiting")
        assert value(metrics, "sagpin_upgrades_failed_total", account="test", region_id="cn-shanghai", version_type="Device", policy="fast",
                     reason="deadline") > 0
        info = labeled(metrics, "sagpin_rollout_info")
        assert len(info) == 1 and info[0][0] == dict(ROLLOUT, state=info[0][0]["state"]) and info[0][0]["state"] in ("running", "complete")
        begun = value(metrics, "process_start_time_seconds")
        assert begun < value(metrics, "sagpin_rollout_last_progress_timestamp_seconds", **ROLLOUT) <= value(metrics, "sagpin_heartbeat_timestamp_seconds")
        missing = {name for name, _, _, _ in catalogue()} - seen
        # no key that expires in this test; whether the cloud's own upgrader is read, its own test says
        assert missing <= {"sagpin_credentials_expiry_timestamp_seconds", "sag_auto_upgrade_policy_info"}, missing
        cities = {i["id"]: i["city"] for i in simulator.ask("fleet")["instances"]}
        sites = {pairs["instance_id"]: pairs["site"] for pairs, _ in labeled(metrics, "sag_instance_info")}
        with_targets = {t["instance_id"] for t, _ in labeled(metrics, "sag_target_state")}
        assert sites == {i: cities[i] if i in with_targets else i for i in sites}, (cities, sites)
        assert len(with_targets) > 50, with_targets


def test_pacing_shows_as_queued(build):
    """With one start an hour nearly all wait for their turn: exactly so in the totals, as queued for each target."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, full_config(simulator.endpoint, deadline="2s", starts_per_hour=1, policy=WAVES))
        processes.append(daemon)
        wait_for("the one start", lambda: daemon.sum("sagpin_upgrades_succeeded_total") == 1)
        wait_for("all others to wait", lambda: daemon.sum("sag_upgrade_in_progress") == 0 and daemon.sum("sagpin_targets", reason="wave") > 10)
        metrics = daemon.metrics()
        check_sums(metrics)
        shown = states(metrics)
        assert shown["Device", "waiting", "queued"] > 20 and not [k for k in shown if k[2] in PACING], shown
        exact = {t["reason"]: n for t, n in labeled(metrics, "sagpin_targets") if t["phase"] == "waiting" and n}
        assert len(PACING & set(exact)) > 1, exact
        assert value(metrics, "sagpin_policy_start_allowed", policy="fast") == 0
        assert sagpin(build, daemon, "pause", "--all") == 0
        metrics = daemon.metrics()
        check_sums(metrics)
        assert value(metrics, "sagpin_paused") == value(metrics, "sagpin_rollout_paused", **ROLLOUT) == 1
        assert not states(metrics)["Device", "waiting", "queued"] and states(metrics)["Device", "waiting", "paused"] > 20
        assert sagpin(build, daemon, "resume", "--all") == 0
        metrics = daemon.metrics()
        assert value(metrics, "sagpin_paused") == value(metrics, "sagpin_rollout_paused", **ROLLOUT) == 0


def test_a_halt_is_shown(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=stuck=always", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s", halt="failures = 2;"))
        processes.append(daemon)
        wait_for("the halt", lambda: labeled(daemon.metrics(), "sagpin_rollout_halted") == [(ROLLOUT, 1)])
        metrics = daemon.metrics()
        assert value(metrics, "sagpin_rollout_info", state="halted", **ROLLOUT) == 1
        assert daemon.sum("sagpin_targets", reason="halted") == sum(n for k, n in states(metrics).items() if k[2] == "halted") > 0
        assert sagpin(build, daemon, "pause", "--policy=fast") == 0
        metrics = daemon.metrics()
        assert value(metrics, "sagpin_rollout_halted", **ROLLOUT) == value(metrics, "sagpin_rollout_paused", **ROLLOUT) == 1
        assert value(metrics, "sagpin_paused") == 0, "one policy is not everything"


def next_open(zone, days, hour, now):
    """The first start after now, by the calendar of Python."""
    local = datetime.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(zone))
    starts = [datetime.datetime(local.year, local.month, local.day, hour, tzinfo=local.tzinfo) + datetime.timedelta(days=i) for i in range(9)]
    return min(s.timestamp() for s in starts if s.weekday() in days and s.timestamp() > now)


def test_windows_freezes_and_gates(build):
    with world(build) as (work, processes):
        daemon = Daemon(build, work, full_config("http://127.0.0.1:9/", mode="observe"))
        processes.append(daemon)
        before = datetime.datetime.now().timestamp()
        metrics = daemon.metrics()
        name = "sagpin_window_next_open_timestamp_seconds"
        assert value(metrics, "sagpin_window_open", window="always") == 1 and not [1 for pairs, _ in labeled(metrics, name) if pairs["window"] == "always"]
        for window, zone, days, hour, seconds in (("night", "Asia/Shanghai", {0, 3}, 1, 4 * 3600), ("days", "Europe/Berlin", set(range(7)), 0, 86340)):
            opens = value(metrics, name, window=window)
            assert opens in (next_open(zone, days, hour, before), next_open(zone, days, hour, before + 60)), (window, opens)
            last = next_open(zone, days, hour, before - seconds)  # had begun if it is open now
            assert value(metrics, "sagpin_window_open", window=window) == (last <= before) or abs(opens - before) < 60, (window, last)
        assert dict((pairs["freeze"], v) for pairs, v in labeled(metrics, "sagpin_freeze_active")) == {"now": 1, "past": 0}
        assert labeled(metrics, "sagpin_gate_open") == [({"policy": "gated"}, 0)]
        assert value(metrics, "sagpin_policy_start_allowed", policy="gated") == 0


def test_the_age_of_catalogues(build):
    """When each was read, and that stays so when the daemon starts again."""
    name = "sagpin_catalogue_last_success_timestamp_seconds"
    before = datetime.datetime.now().timestamp()
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=20)
        processes.append(simulator)
        text = config(simulator.endpoint, mode="observe", pins='  { name = "all"; match: { id = "*"; }; device = "@release"; policy = "fast"; }')
        daemon = Daemon(build, work, text)
        processes.append(daemon)
        read = wait_for("a catalogue", lambda: labeled(daemon.metrics(), name))
        models = {i["model"] for i in simulator.ask("fleet")["instances"]}
        assert all(t["version_type"] == "Device" and t["model"] in models for t, _ in read), read
        assert all(before - 2 <= s <= datetime.datetime.now().timestamp() + 1 for _, s in read), (before, read)
        wait_for("it to be stored", lambda: daemon.sum("sagpin_state_commits_total") > 0)
        simulator.ask("faults", {"internal_error": "always@DescribeSmartAccessGatewayVersions"})
        assert daemon.stop() == 0
        then = datetime.datetime.now().timestamp()
        again = Daemon(build, work, text, name="again")
        processes.append(again)
        stored = wait_for("the stored catalogues", lambda: labeled(again.metrics(), name))
        assert all(s <= then for _, s in stored), (then, stored)


COUNTS = ("sagpin_upgrades_started_total", "sagpin_upgrades_succeeded_total", "sagpin_upgrades_failed_total",
          "sagpin_external_version_changes_total", "sag_upgrade_attempts_total", "sag_upgrade_failures_total")


def counts(metrics):
    return {key: v for key, v in metrics.items() if key[0] in COUNTS}


def test_counts_survive_a_kill(build):
    """No scrape of the next life shows less than the last one did: absent or as committed, from the first one on."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=stuck=2", instances=40)
        processes.append(simulator)
        text = config(simulator.endpoint, deadline="2s")
        daemon = Daemon(build, work, text)
        processes.append(daemon)
        wait_for("rest", lambda: is_at_rest(daemon.metrics()), 60, 0.2)
        last = counts(daemon.metrics())
        assert sum(v for (name, _), v in last.items() if name == "sagpin_upgrades_failed_total") > 0
        daemon.stop(signal.SIGKILL)
        for rename in (("", ""), ('"fast"', '"other"'), ('name = "test"', 'name = "sold"')):
            daemon = Daemon(build, work, text.replace(*rename), name="sagpin-%d" % len(processes))
            processes.append(daemon)
            is_listed = False
            while not is_listed:
                metrics = daemon.metrics()
                found = counts(metrics)
                is_listed = bool(labeled(metrics, "sag_target_state"))
                if "sold" in rename[1]:
                    assert not [key for key in found if "test" in dict(key[1]).values()], "of an account that is gone"
                    continue
                # of a policy that is gone, too
                assert all(found[key] >= last[key] for key in found if key in last), "less than was committed"
                if is_listed:
                    assert {key for key in last if last[key] and "sagpin" in key[0]} <= set(found)
            daemon.stop(signal.SIGKILL)


def test_every_scrape_of_a_rollout_is_strictly_good(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=invalid_utf8=0.2", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s", soak="2s", policy_in_flight="20%"))
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
        # nothing is read by and by: the fleet stands still
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe", poll_interval="1h", policy='auto_upgrade = "ignore";'))
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
        daemon = Daemon(build, work, full_config("http://127.0.0.1:9/"))
        processes.append(daemon)
        wait_for("the state to be read", lambda: b"sagpin_upgrades_started_total" in scrape(daemon, "text"))
        text = scrape(daemon, "text")
        assert not check(text, False), check(text, False)[:5]
        there = families(text)
        # the key of this test does not expire, and no catalogue is read
        never = {"sagpin_credentials_expiry_timestamp_seconds", "sagpin_catalogue_last_success_timestamp_seconds"}
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
        assert len(started) == 4 and len([k for k in started if 'policy="fast"' in k]) == 2, started
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
