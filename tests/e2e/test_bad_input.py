"""Bad input from everywhere: a clear message, the daemon goes on with what it knows, nothing is upgraded by mistake."""
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Process, Simulator, Skip, config, get, run, wait_for, world  # noqa: E402
from test_acts import say  # noqa: E402

OBSERVE = dict(mode="observe", poll_interval="1s")


def upgrade_calls(simulator):
    return [r for r in simulator.requests()["requests"] if r["action"] == "UpdateSmartAccessGatewayVersion"]


def says(daemon, pattern):
    return wait_for("the log to say %r" % pattern, lambda: re.search(pattern, daemon.text()), 30)


def is_healthy(daemon):
    return daemon.get("/-/healthy")[0] == 200


# fault while listing -> what the log must say about it
LISTING_FAULTS = {
    "throttling": "class=throttled",
    "internal_error": "class=transient.*InternalError",
    "service_unavailable": "class=transient.*ServiceUnavailable",
    "unknown_code": "Mystery",
    "inactive_key": "class=account.*InvalidAccessKeyId.Inactive",
    "forbidden": "Forbidden",
    "reset": "API call failed",
    "lost_reply": "API call failed",
    "cut_body": "API call failed",
    "html_body": "API call failed",
    "empty_body": "API call failed",
    "huge_body": "API call failed",
    "deep_json": "API call failed",
    "wrong_clock": "class=account.*InvalidTimeStamp",
}


def test_a_failing_list_changes_nothing_and_recovers(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=120)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, timeout="2s", **OBSERVE))
        processes.append(daemon)
        wait_for("the first listing", lambda: daemon.sum("sagpin_up") == 1)
        known = sorted(t["instance_id"] for t in daemon.targets())
        for fault, pattern in LISTING_FAULTS.items():
            mark = len(daemon.text())
            errors = daemon.sum("sagpin_api_errors_total")
            simulator.ask("faults", {fault: "always"})
            wait_for("errors by " + fault, lambda: daemon.sum("sagpin_api_errors_total") > errors)
            wait_for("the log of " + fault, lambda: re.search(pattern, daemon.text()[mark:]), 30)
            wait_for("sagpin_up 0 by " + fault, lambda: daemon.sum("sagpin_up") == 0)
            assert sorted(t["instance_id"] for t in daemon.targets()) == known, fault
            assert is_healthy(daemon)
            line = re.search(r".*API call failed.*", daemon.text()[mark:]).group(0)
            assert re.search(r'error="[^"]{20,}', line), "no advice for %s: %s" % (fault, line)
            simulator.ask("faults", {fault: "off"})
            wait_for("recovery from " + fault, lambda: daemon.sum("sagpin_up") == 1)
            wait_for("a recovered line after " + fault, lambda: "recovered" in daemon.text()[mark:])


def test_odd_lists_are_no_facts(build):
    """Shifted pages, ids twice, wrong types, missing fields: nothing disappears, nothing is upgraded wrongly."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=120)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **OBSERVE))
        processes.append(daemon)
        wait_for("the first listing", lambda: daemon.sum("sagpin_up") == 1)
        known = {t["instance_id"] for t in daemon.targets()}
        for fault in ("duplicate_ids", "wrong_types", "missing_fields"):
            mark = len(daemon.text())
            simulator.ask("faults", {fault: "always"})
            wait_for("a failed listing by " + fault, lambda: daemon.sum("sagpin_up") == 0)
            assert re.search(r"listing failed.*error=", daemon.text()[mark:]), fault
            assert {t["instance_id"] for t in daemon.targets()} == known, fault
            simulator.ask("faults", {fault: "off"})
            wait_for("recovery from " + fault, lambda: daemon.sum("sagpin_up") == 1)


def test_pages_that_shift_do_not_lose_instances(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--fault=page_shift=0.3", instances=200)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **OBSERVE))
        processes.append(daemon)
        wait_for("a complete listing", lambda: daemon.sum("sagpin_inventory_last_success_timestamp_seconds") > 0)
        wait_for("many listings", lambda: len(simulator.requests()["requests"]) > 60)
        simulator.ask("faults", {"page_shift": "off"})
        end = len(simulator.requests()["requests"])
        wait_for("listings after it", lambda: len(simulator.requests()["requests"]) > end + 20)
        truth = simulator.ask("state")
        assert daemon.sum("sagpin_inventory_instances") == truth["instances"], (daemon.sum("sagpin_inventory_instances"), truth)


def test_broken_text_reaches_neither_metrics_nor_log(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--fault=invalid_utf8=always", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **OBSERVE))
        processes.append(daemon)
        wait_for("the first listing", lambda: daemon.sum("sagpin_up") == 1)
        status, _, body = daemon.get("/metrics")
        assert status == 200 and "�" in body.decode("utf-8")
        daemon.stop()
        with open(daemon.log, "rb") as f:
            f.read().decode("utf-8")


def test_unknown_status_counts_as_offline_and_is_said_once(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--fault=unknown_status=3", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="1s"))
        processes.append(daemon)
        says(daemon, r"not documented.*status=Migrating")
        wait_for("offline", lambda: any(t["reason"] == "offline" for t in daemon.targets()))
        count = len(simulator.requests()["requests"])
        wait_for("more listings", lambda: len(simulator.requests()["requests"]) > count + 10)
        assert len(re.findall(r"not documented", daemon.text())) == 3


def test_one_serial_under_two_instances_is_never_called(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--fault=duplicate_serial=2", "--upgrade-time=1s", instances=60)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s"))
        processes.append(daemon)
        wait_for("duplicate", lambda: any(t["reason"] == "duplicate" for t in daemon.targets()))
        duplicates = {t["serial_number"] for t in daemon.targets() if t["reason"] == "duplicate"}
        says(daemon, r"one serial number stands under two instances")
        wait_for("upgrades of the others", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 5)
        assert not [r for r in upgrade_calls(simulator) if r["serial"] in duplicates]


def test_instances_without_serial_number_are_said_and_never_called(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=100)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s"))
        processes.append(daemon)
        says(daemon, r"has no serial number")
        wait_for("upgrades of the others", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 5)
        assert all(r["serial"] for r in upgrade_calls(simulator))


def test_odd_versions_are_never_called(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=40)
        processes.append(simulator)
        ids = [i["id"] for i in simulator.ask("fleet")["instances"] if i["status"] == "Active" and len(i["devices"]) == 1][:4]
        versions = ["", "Ω-beta", "3.4.2.x", "v" * 60]
        for instance, version in zip(ids, versions):
            simulator.ask("instance", {"id": instance, "version": version})
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s"))
        processes.append(daemon)
        wait_for("upgrades of the others", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 2)
        states = {t["instance_id"]: (t["phase"], t["reason"]) for t in daemon.targets()}
        assert states[ids[0]][0] == "unknown", states[ids[0]]
        for instance in ids[1:]:
            wait_for("incomparable", lambda i=instance: {t["instance_id"]: t["reason"] for t in daemon.targets()}[i] == "incomparable")
        assert not [r for r in upgrade_calls(simulator) if r["instance"] in ids]


def refusal(build, fault, reason, phase, settings=None, calls_once=True):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=%s=always@UpdateSmartAccessGatewayVersion" % fault, instances=30)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **dict(dict(deadline="2s"), **(settings or {}))))
        processes.append(daemon)
        wait_for("%s/%s after %s" % (phase, reason, fault),
                 lambda: any((t["phase"], t["reason"]) == (phase, reason) for t in daemon.targets()), 60)
        # no call may slip in between what the cloud counted and what the daemon did
        assert say(build, daemon, "pause", "--all")[0] == 0
        wait_for("both to count the same calls", lambda: daemon.sum("sagpin_upgrade_errors_total") == len(upgrade_calls(simulator)), 20)
        return simulator, daemon, upgrade_calls(simulator), daemon.text(), daemon.metrics()


def test_an_unknown_code_is_unconfirmed_then_rejected(build):
    _, _, calls, log, metrics = refusal(build, "unknown_code", "rejected", "failed", dict(max_in_flight=2))
    per_target = {}
    for r in calls:
        per_target[r["serial"]] = per_target.get(r["serial"], 0) + 1
    assert max(per_target.values()) <= 3, per_target
    assert "unconfirmed" in log and "Mystery" in log
    assert sum(v for (n, p), v in metrics.items() if n == "sagpin_upgrade_errors_total" and dict(p)["code"] == "other") == len(calls)


def test_forbidden_blocks_and_three_pause_the_account(build):
    _, _, calls, log, _ = refusal(build, "forbidden", "credentials", "waiting", dict(max_in_flight=1, policy_in_flight="1"))
    assert len(calls) == 3, len(calls)
    assert "upgrade calls of the account are paused" in log


def test_transient_refusals_are_retried_and_bounded(build):
    _, _, calls, _, metrics = refusal(build, "version_error", "retries", "failed", dict(max_in_flight=1, policy_in_flight="1"))
    per_target = {}
    for r in calls:
        per_target[r["serial"]] = per_target.get(r["serial"], 0) + 1
    failed = [dict(p)["serial_number"] for (n, p) in metrics if n == "sag_target_state" and dict(p)["reason"] == "retries"]
    assert failed and all(per_target[s] == 3 for s in failed) and max(per_target.values()) == 3, per_target


def test_devices_that_never_come_back_fail_by_deadline(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=stuck=always", instances=20)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="3s", max_in_flight=3))
        processes.append(daemon)
        wait_for("a failure", lambda: daemon.sum("sagpin_upgrades_failed_total", reason="deadline") > 0, 60)
        assert all(n <= 1 for n in [len([r for r in upgrade_calls(simulator) if r["serial"] == s]) for s in
                                    {r["serial"] for r in upgrade_calls(simulator)}])


def test_wrong_key(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **OBSERVE), env={"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "not-the-secret-1234"})
        processes.append(daemon)
        says(daemon, r"the account is refused.*error=")
        wait_for("the metric", lambda: daemon.sum("sagpin_credentials_valid") == 0)
        assert "not-the-secret-1234" not in daemon.text() and is_healthy(daemon)
        assert "not-the-secret-1234" not in daemon.get("/metrics")[2].decode()


def test_no_key(build):
    with world(build) as (work, _):
        daemon = Daemon(build, work, config("http://127.0.0.1:9/", **OBSERVE), env={"ALIBABA_CLOUD_ACCESS_KEY_ID": ""}, is_ready=False)
        assert daemon.child.wait(20) == 1
        assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in daemon.text()


def test_refused_connection_and_unknown_host(build):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    for endpoint, pattern in (("http://127.0.0.1:%d/" % port, "refused"), ("https://no-such-host.invalid/", "no-such-host.invalid")):
        with world(build) as (work, processes):
            daemon = Daemon(build, work, config(endpoint, **OBSERVE))
            processes.append(daemon)
            says(daemon, r"API call failed.*error=.*" + pattern)
            assert is_healthy(daemon) and daemon.sum("sagpin_up") == 0
            assert daemon.stop() == 0


def certificate(work, name, days, subject="/CN=localhost", san="IP:127.0.0.1,DNS:localhost"):
    cert, key = os.path.join(work, name + ".pem"), os.path.join(work, name + ".key")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj", subject, "-addext",
            "subjectAltName=" + san]
    if days >= 0:
        subprocess.run(argv + ["-days", str(days)], check=True, capture_output=True)
        return cert, key
    # Already over when it is made: `openssl ca` takes dates, where `openssl x509` of Debian 12 only takes days.
    csr, ca = os.path.join(work, name + ".csr"), os.path.join(work, name + ".ca")
    os.mkdir(ca)
    subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", csr, "-subj", subject], check=True, capture_output=True)
    with open(os.path.join(ca, "index"), "w", encoding="utf-8"):
        pass
    with open(os.path.join(ca, "conf"), "w", encoding="utf-8") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
                "[p]\ncommonName=supplied\n[e]\nsubjectAltName=%s\n" % (ca, ca, san))
    subprocess.run(["openssl", "ca", "-batch", "-config", os.path.join(ca, "conf"), "-selfsign", "-keyfile", key, "-in", csr, "-out", cert,
                    "-notext", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z"], check=True, capture_output=True)
    return cert, key


def test_tls_is_strict(build):
    cases = (("good", 2, None, None), ("expired", -1, None, "expired"), ("foreign", 2, "other", "certificate"), ("wrong name", 2, None, "name|host"))
    for name, days, trust, pattern in cases:
        with world(build) as (work, processes):
            san = "DNS:elsewhere.example" if name == "wrong name" else "IP:127.0.0.1"
            cert, key = certificate(work, "server", days, san=san)
            ca = certificate(work, "other", 2)[0] if trust else cert
            simulator = Simulator(build, work, "--tls-cert=" + cert, "--tls-key=" + key)
            processes.append(simulator)
            daemon = Daemon(build, work, config(simulator.endpoint, api='ca_file = "%s";' % ca, **OBSERVE))
            processes.append(daemon)
            if not pattern:
                wait_for("a listing over TLS", lambda: daemon.sum("sagpin_up") == 1)
                continue
            says(daemon, r"(?i)API call failed.*error=.*(%s)" % pattern)
            assert not simulator.ask("requests")["requests"], "a request left before the server was known"


def test_ports_that_clash(build):
    with world(build) as (work, processes):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            daemon = Daemon(build, work, config("http://127.0.0.1:9/", **OBSERVE), listen="127.0.0.1:%d" % port, is_ready=False)
            processes.append(daemon)
            assert daemon.child.wait(20) == 1
            assert re.search(r"127\.0\.0\.1:%d.*in use" % port, daemon.text()), daemon.text()


def test_configurations_that_are_refused(build):
    sagpin = os.path.join(build, "daemon/sagpin")
    good = config("http://127.0.0.1:8080/")
    cases = (
        (good.replace('mode = "enforce"', 'mode = "enforced"'), "mode"),
        (good.replace("http://127.0.0.1:8080/", "http://smartag.example.com/"), "in the clear"),
        (good.replace('policy = "fast"', 'policy = "slow"'), "slow"),
        (good + "colour = 1;", "colour"),
        ('@include "/tmp"\n' + good, "@include"),
        (good.replace("max_in_flight = 100", "max_in_flight = 3000000000"), "3000000000"),
        (good.rstrip()[:-2], "expected"),
        (good.replace('[ "always" ]', '[ "night" ]'), "names no window"),
        (good + 'windows = ( { name = "w"; time_zone = "UTC"; days = []; start = "01:00"; length = "1h"; } );', "never opens"),
        (good + 'windows = ( { name = "w"; time_zone = "Mars/Olympus"; days = [ "Mon" ]; start = "01:00"; length = "1h"; } );', "Mars/Olympus"),
        (good + 'freezes = ( { name = "f"; time_zone = "UTC"; from = "2099-01-02"; to = "2099-01-01"; } );', "ends before it begins"),
        (good.replace('[ "always" ];', '[ "always" ]; waves = ( { name = "w"; percent = "101%"; } );'), "101%"),
        (good.replace('[ "always" ];', '[ "always" ]; gate: { prometheus = "http://me:secret@p"; query = "up"; open_when = "empty"; };'), "user or password"),
    )
    with world(build) as (work, _):
        path = os.path.join(work, "sagpin.cfg")
        for text, pattern in cases:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            for argv in ([sagpin, "check-config", path], [sagpin, "run", "--config.file=" + path, "--web.listen-address=127.0.0.1:0"]):
                done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
                assert done.returncode == 1, (argv, pattern, done)
                assert re.search(r"sagpin\.cfg:\d+:.*" + re.escape(pattern), done.stderr), (pattern, done.stderr)
        for bad in ("/does/not/exist.cfg", work):
            done = subprocess.run([sagpin, "check-config", bad], capture_output=True, text=True, timeout=20)
            assert done.returncode == 1 and bad in done.stderr, done.stderr


def test_a_dns_server_that_never_answers_does_not_block(build):
    """A name server that takes questions and never answers: the web goes on, and SIGTERM ends at once."""
    if os.geteuid() != 0:
        raise Skip("needs root for a mount namespace")
    with world(build) as (work, processes):
        with open(os.path.join(work, "resolv.conf"), "w", encoding="utf-8") as f:
            f.write("nameserver 127.0.0.53\noptions timeout:30 attempts:1\n")
        text = config("https://smartag.cn-shanghai.example.com/", timeout="10s", **OBSERVE)
        with open(os.path.join(work, "sagpin.cfg"), "w", encoding="utf-8") as f:
            f.write(text)
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent.bind(("127.0.0.53", 53))
        env = dict(os.environ, ALIBABA_CLOUD_ACCESS_KEY_ID="a", ALIBABA_CLOUD_ACCESS_KEY_SECRET="b")
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        script = "mount --bind %s/resolv.conf /etc/resolv.conf && exec %s/daemon/sagpin run --config.file=%s/sagpin.cfg --web.listen-address=127.0.0.1:%d" % (
            work, build, work, port)
        daemon = Process(work, "sagpin", ["unshare", "-m", "sh", "-c", script], env=env)
        processes.append(daemon)
        silent.settimeout(20)
        assert silent.recv(512), "no question arrived"
        for _ in range(20):
            assert get("http://127.0.0.1:%d/-/healthy" % port, timeout=1)[0] == 200
        assert daemon.stop(seconds=3) == 0
        silent.close()


run(globals())
