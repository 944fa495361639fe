"""The log as other programs read it: every line parses, decisions carry their fields, and no secret is in it."""
import fcntl
import json
import os
import re
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import KEY_SECRET, Daemon, Simulator, config, run, wait_for, world  # noqa: E402
from peers import free_port  # noqa: E402

PHASES = {
    "upgrading": {"requested", "accepted", "unconfirmed"},
    "verifying": {"soak"},
    "unmanaged": {"no_pin"},
    "unknown": {"never_observed", "stale"},
    "in_sync": {""},
    "ahead": {""},
    "failed": {"duplicate", "invalid_instance", "in_arrears", "not_activated", "not_bound", "forbidden", "version_too_old",
               "version_not_available", "incomparable", "flapping", "unhealthy", "deadline", "no_effect", "rejected", "retries"},
    "waiting": {"state_store", "settling", "credentials", "held", "paused", "halted", "approval", "offline", "degraded", "backoff", "freeze",
                "window", "window_too_short", "gate", "wave", "soak", "pair", "site", "max_in_flight", "rate", "throttled", "precheck",
                "observe_mode"},
}
STEADY = {"offline", "degraded", "held", "in_arrears", "not_activated", "not_bound", "duplicate", "rejected"}
TARGET = ("account", "region_id", "instance_id", "serial_number", "version_type")
REQUEST_ID = re.compile(r"^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$")
LOGFMT = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]*)(?: |$)')
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def parse_json(line):
    pairs = json.loads(line, object_pairs_hook=list)
    assert len({k for k, _ in pairs}) == len(pairs), "a key twice: " + line
    return dict(pairs)


def parse_logfmt(line):
    out, at = {}, 0
    while at < len(line):
        found = LOGFMT.match(line, at)
        assert found, "not logfmt from byte %d on: %s" % (at, line)
        key, value = found.groups()
        assert key not in out, "a key twice: " + line
        out[key] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        at = found.end()
    return out


PARSERS = {"json": parse_json, "logfmt": parse_logfmt}


def is_at_rest(daemon):
    targets = daemon.targets()
    return targets and all(t["phase"] in ("in_sync", "ahead", "unmanaged") or t["reason"] in STEADY for t in targets)


def lines_of(daemon, form):
    """Every line as a dictionary, with what each must have."""
    with open(daemon.log, "rb") as f:
        text = f.read().decode("utf-8")
    assert text.endswith("\n")
    lines = [PARSERS[form](line) for line in text.splitlines()]
    for line in lines:
        assert list(line)[:3] == ["ts", "level", "msg"], line
        assert TIME.match(line["ts"]) and line["level"] in ("debug", "info", "warn", "error") and line["msg"], line
        assert all(isinstance(v, str) and v for v in line.values()), line
    return lines


def check_decisions(lines):
    phases = [line for line in lines if line["msg"] == "phase changed"]
    for line in phases:
        assert all(k in line for k in TARGET + ("phase", "old_phase")), line
        assert line["version_type"] in ("Device", "Dpi"), line
        assert line.get("reason", "") in PHASES[line["phase"]] and line["old_phase"] in PHASES, line
        assert line["phase"] == "unmanaged" or line["phase"] == "unknown" or ("reported" in line and "desired" in line), line
    for line in lines:
        if line["msg"] in ("upgrade started", "upgrade is called", "upgrade settled"):
            assert all(k in line for k in TARGET + ("from", "to")), line
        if line["msg"] == "upgrade settled":
            assert line["outcome"] in ("verified", "refused", "failed", "no_effect", "gone", "withdrawn"), line
    return phases


def check_upgrades(lines, phases, calls):
    """Each call that arrived has its lines; the cloud's request id is in the one about the reply."""
    started = sorted(line["serial_number"] for line in lines if line["msg"] == "upgrade started")
    called = sorted(line["serial_number"] for line in lines if line["msg"] == "upgrade is called")
    assert started == called == sorted(r["serial"] for r in calls) and len(calls) > 20
    answered = {line["serial_number"]: line for line in phases if line["phase"] == "upgrading" and line["reason"] in ("accepted", "unconfirmed")}
    assert set(answered) == {r["serial"] for r in calls}
    for r in calls:
        line = answered[r["serial"]]
        if r["lost"]:
            assert line["reason"] == "unconfirmed" and "request_id" not in line, line
        else:
            assert REQUEST_ID.match(line["request_id"]), line
            assert line["reason"] == ("accepted" if r["code"] == "OK" else "unconfirmed") and line.get("code", "OK") == r["code"], (line, r)
    ids = [line["request_id"] for line in answered.values() if "request_id" in line]
    assert len(set(ids)) == len(ids), "two upgrades with one request id"
    failures = [line for line in lines if line["msg"] == "API call failed" and line["action"] == "UpdateSmartAccessGatewayVersion"]
    assert len(failures) == len([r for r in calls if r["lost"] or r["code"] != "OK"]) > 0
    assert all("class" in line and "error" in line and ("request_id" in line) == ("code" in line) for line in failures), failures


FORBIDDEN = re.compile(r"authorization|x-acs|signature=|signature%3d|acs3-hmac|accesskeyid=|securitytoken", re.I)


def check_secrets(daemon, *secrets):
    text = daemon.text()
    found = FORBIDDEN.search(text)
    assert not found, text[found.start() - 200:found.end() + 200]
    for secret in secrets:
        assert secret not in text, "a secret is in the log"


def fleet(build, form, signature):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=lost_reply=3@UpdateSmartAccessGatewayVersion",
                              "--fault=internal_error_applied=2@UpdateSmartAccessGatewayVersion", "--fault=invalid_utf8=0.3",
                              "--security-token=a-token-that-is-not-real", instances=40)
        processes.append(simulator)
        env = {"ALIBABA_CLOUD_SECURITY_TOKEN": "a-token-that-is-not-real"}
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s", poll_interval="1s", signature=signature), "--log.level=debug",
                        "--log.format=" + form, env=env)
        processes.append(daemon)
        wait_for("the fleet to converge", lambda: is_at_rest(daemon), 60, 0.2)
        written = {level: daemon.sum("sagpin_log_messages_total", level=level) for level in ("debug", "info", "warn", "error")}
        counted = len(lines_of(daemon, form))
        assert sum(written.values()) <= counted
        assert daemon.stop() == 0
        lines = lines_of(daemon, form)
        for level, n in written.items():
            assert n <= len([1 for line in lines if line["level"] == level]) and (n > 0 or level == "error"), (level, n)
        phases = check_decisions(lines)
        calls = [r for r in simulator.requests()["requests"] if r["action"] == "UpdateSmartAccessGatewayVersion"]
        check_upgrades(lines, phases, calls)
        check_secrets(daemon, KEY_SECRET, "a-token-that-is-not-real")
        return lines


def test_json(build):
    lines = fleet(build, "json", "v3")
    assert lines[-1]["msg"] == "stopped" and lines[-2]["msg"] == "stopping"


def test_logfmt(build):
    lines = fleet(build, "logfmt", "v2")
    assert lines[-1]["msg"] == "stopped" and lines[-2]["msg"] == "stopping"


def test_a_refused_signature_tells_no_secret(build):
    """The cloud's refusal of a signature quotes the request: none of that may be told."""
    for signature in ("v3", "v2"):
        with world(build) as (work, processes):
            simulator = Simulator(build, work, instances=10)
            processes.append(simulator)
            daemon = Daemon(build, work, config(simulator.endpoint, signature=signature), "--log.level=debug", "--log.format=json",
                            env={"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong-secret-1234567"})
            processes.append(daemon)
            wait_for("the refusal", lambda: "the account is refused" in daemon.text())
            assert daemon.stop() == 0
            lines = lines_of(daemon, "json")
            assert [line for line in lines if line.get("code") == "SignatureDoesNotMatch" and line["level"] == "warn"]
            check_secrets(daemon, "wrong-secret-1234567", KEY_SECRET)


def test_levels(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=20)
        processes.append(simulator)
        for level, allowed in (("info", {"info", "warn", "error"}), ("warn", {"warn", "error"}), ("error", {"error"})):
            ready = level == "info"
            daemon = Daemon(build, work, config(simulator.endpoint, mode="observe", poll_interval="1s"), "--log.level=" + level, name="sagpin-" + level, is_ready=ready)
            processes.append(daemon)
            before = len(simulator.requests()["requests"])
            wait_for("a listing", lambda: len(simulator.requests()["requests"]) > before + 1)
            assert daemon.stop() == 0
            text = daemon.text()
            levels = {line["level"] for line in lines_of(daemon, "logfmt")} if text else set()
            assert levels <= allowed and (level == "error" or level in levels), (level, levels)


class Stalled(Daemon):
    """A daemon whose log nobody reads: its stderr is a pipe that holds two pages."""

    def __init__(self, build, work, config_text):
        os.mkfifo(os.path.join(work, "stalled.log"))
        self.reader = os.open(os.path.join(work, "stalled.log"), os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, 8192)
        port = free_port()
        super().__init__(build, work, config_text, name="stalled", listen="127.0.0.1:%d" % port, is_ready=False)
        self.address = "127.0.0.1:%d" % port

    def text(self):
        return "nobody reads it"

    def drain(self):
        """All that got into the pipe."""
        return os.read(self.reader, 65536)

    def stop(self, *args, **kw):
        try:
            return super().stop(*args, **kw)
        finally:
            os.close(self.reader)


def is_listed(daemon):
    try:
        return daemon.sum("sagpin_up") == 1
    except OSError:
        return False


def test_lines_that_nobody_reads_are_counted(build):
    """Two daemons say the same; of the one that is not read, each line is either in the pipe or counted as dropped."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=80)
        processes.append(simulator)
        text = config(simulator.endpoint, mode="observe", poll_interval="60s")
        loud, stalled = Daemon(build, work, text), Stalled(build, work, text.replace("state.db", "other.db"))
        processes += [loud, stalled]
        for daemon in (loud, stalled):
            wait_for("the listing", lambda: is_listed(daemon))
        said = loud.sum("sagpin_log_messages_total")
        assert said == len(loud.text().splitlines()) > 40 and loud.sum("sagpin_log_messages_dropped_total") == 0
        dropped, written = stalled.sum("sagpin_log_messages_dropped_total"), stalled.sum("sagpin_log_messages_total")
        assert dropped > 20 and dropped + written == said, (dropped, written, said)
        whole = stalled.drain().split(b"\n")[:-1]  # what is torn at the end is counted as dropped
        assert len(whole) == written > 2, (whole, written)


def find(daemon, message, **fields):
    """The lines with this message and these fields."""
    if not daemon.text().endswith("\n"):
        return []
    return [line for line in lines_of(daemon, "logfmt") if line["msg"] == message and all(line.get(k) == v for k, v in fields.items())]


def follow_the_advice(build, daemon, line):
    """Runs the command of the field `next` in a shell, as a person would who copies it."""
    command = line["next"].partition(": sagpin ")[2]
    assert command.endswith(" --why=…"), line
    command = "'%s' %s --control.socket='%s'" % (os.path.join(build, "daemon/sagpin"), command.replace("--why=…", "--why=test"), daemon.socket)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and "done" in done.stdout, done


STRANGE = """it's $(touch here); "fast" & co"""


def test_a_halt_says_what_comes_next(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", "--fault=stuck=always", instances=40)
        processes.append(simulator)
        text = config(simulator.endpoint, deadline="2s", policy_in_flight="4", halt='by_reason = ( { reason = "deadline"; failures = 2; } );')
        daemon = Daemon(build, work, text.replace('"fast"', '"%s"' % STRANGE.replace('"', '\\"')))
        processes.append(daemon)
        halted = "a rollout halted; it starts no more upgrades until it is resumed"
        line = wait_for("the halt", lambda: find(daemon, halted))[0]
        assert (line["level"], line["policy"], line["version_type"], line["version"]) == ("warn", STRANGE, "Device", "3.4.2"), line
        assert (line["wave"], line["cause"], line["reason"]) == ("last", "by_reason", "deadline"), line
        assert int(line["ended"]) >= int(line["failed"]) >= 2, line
        wait_for("what was under way to end", lambda: daemon.sum("sag_upgrade_in_progress") == 0)
        follow_the_advice(build, daemon, line)
        assert find(daemon, "a rollout was resumed", policy=STRANGE, level="info", version="3.4.2")
        assert find(daemon, "an operator's act", act="resume", policy=STRANGE, outcome="done", why="test")
        wait_for("the second halt", lambda: len(find(daemon, halted)) == 2)


def test_a_rollout_tells_its_waves(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=40)
        processes.append(simulator)
        waves = 'waves = ( { name = "canary"; percent = "25%"; success = "1%"; soak = "0s"; } );'
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s", policy=waves, soak="0s"))
        processes.append(daemon)
        line = wait_for("the wave", lambda: find(daemon, "a rollout came to its next wave"))[0]
        assert (line["level"], line["policy"], line["version_type"], line["version"], line["wave"]) == ("info", "fast", "Device", "3.4.2", "last"), line


def test_an_approval_says_what_comes_next(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=40)
        processes.append(simulator)
        text = config(simulator.endpoint, deadline="1s", poll_interval="1h", blast_radius="0%")
        daemon = Daemon(build, work, text.replace('name = "test"', 'name = "%s"' % STRANGE.replace('"', '\\"')))
        processes.append(daemon)
        line = wait_for("the wait", lambda: find(daemon, "targets wait with approval, because too many would change at once"))[0]
        assert (line["level"], line["account"], line["version_type"], line["version"]) == ("warn", STRANGE, "Device", "3.4.2"), line
        assert int(line["count"]) == daemon.sum("sagpin_approvals_waiting") > 20
        follow_the_advice(build, daemon, line)
        ended = find(daemon, "no target waits with approval any more", account=STRANGE, version="3.4.2")
        assert len(ended) == 1 and ended[0]["level"] == "info" and "next" not in ended[0], ended
        assert len(find(daemon, line["msg"])) == 1


def test_a_store_that_fails_is_told_once(build):
    """The store's file may not grow any more, as on a full disk. What is told is the first failure, and the end of it."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=1s", instances=40)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, deadline="2s", starts_per_hour=2))
        processes.append(daemon)
        failed, recovered = "the state store takes nothing; no upgrade starts until it does", "the state store recovered"
        wait_for("commits", lambda: daemon.sum("sagpin_state_commits_total") > 0)
        _, hard = resource.prlimit(daemon.child.pid, resource.RLIMIT_FSIZE)
        limit = os.path.getsize(os.path.join(work, "state.db-wal"))
        assert limit > 2 * os.path.getsize(daemon.log), "the log must have room to grow"
        resource.prlimit(daemon.child.pid, resource.RLIMIT_FSIZE, (limit, hard))
        wait_for("failures", lambda: daemon.sum("sagpin_state_commit_failures_total") > 1)
        lines = find(daemon, failed)
        assert len(lines) == 1 and lines[0]["level"] == "error" and "state.db" in lines[0]["error"], lines
        assert not find(daemon, recovered) and daemon.sum("sagpin_upgrades_started_total") == 0
        resource.prlimit(daemon.child.pid, resource.RLIMIT_FSIZE, (hard, hard))
        wait_for("the recovery", lambda: find(daemon, recovered, level="info"))
        failures, commits = daemon.sum("sagpin_state_commit_failures_total"), daemon.sum("sagpin_state_commits_total")
        assert daemon.sum("sagpin_state_commit_duration_seconds_count") >= failures + commits
        wait_for("upgrades", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 0)
        assert len(find(daemon, failed)) == len(find(daemon, recovered)) == 1
        assert daemon.sum("sagpin_state_commit_failures_total") == failures


run(globals())
