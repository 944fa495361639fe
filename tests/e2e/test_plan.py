"""sagpin plan over the real daemon and the simulator: what it says comes true, and saying it changes nothing."""
import hashlib
import json
import os
import pty
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import KEY_ID, KEY_SECRET, Daemon, Simulator, config, run, wait_for, world  # noqa: E402
from test_acts import say  # noqa: E402

READS = {"DescribeSmartAccessGateways", "DescribeSmartAccessGatewayAttribute", "DescribeSAGDeviceInfo", "DescribeSmartAccessGatewayVersions"}
SLOW = dict(policy_in_flight="2", max_in_flight=2, deadline="60s", soak="1s")


def plan(build, *args, env=None):
    """(exit status, stdout, stderr)"""
    environment = dict(os.environ, ALIBABA_CLOUD_ACCESS_KEY_ID=KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET=KEY_SECRET, TZ="Asia/Shanghai")
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    done = subprocess.run([os.path.join(build, "daemon/sagpin"), "plan"] + list(args), capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=dict(environment, **(env or {})))
    assert KEY_SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def plan_json(build, *args, **kw):
    status, out, err = plan(build, "--json", *args, **kw)
    assert status in (0, 2), (status, err)
    answer = json.loads(out)
    assert answer["exit_status"] == status
    counts = {}
    for target in answer["targets"]:
        counts[target["action"]] = counts.get(target["action"], 0) + 1
    assert all(answer["summary"][action] == n for action, n in counts.items()), (counts, answer["summary"])
    return status, answer


def begin(build, work, processes, *sim_args, instances=30, **kw):
    simulator = Simulator(build, work, *sim_args, instances=instances)
    processes.append(simulator)
    daemon = Daemon(build, work, config(simulator.endpoint, **dict(SLOW, **kw)))
    processes.append(daemon)
    wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1)
    return simulator, daemon


def write(work, name, text):
    path = os.path.join(work, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def upgrades(simulator):
    return [r for r in simulator.requests()["requests"] if r["action"] == "UpdateSmartAccessGatewayVersion"]


def files_of(folder):
    """{name: (mtime, hash)} of all regular files."""
    out = {}
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False) and not entry.name.endswith(".log"):
            with open(entry.path, "rb") as f:
                out[entry.name] = (entry.stat().st_mtime_ns, hashlib.sha256(f.read()).hexdigest())
    return out


def test_the_daemon_does_what_was_planned(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=1s", deadline="6s")
        status, answer = plan_json(build, "--control.socket=" + daemon.socket)
        assert status == 2 and answer["source"] == "daemon" and answer["config"]["hash"] == answer["config"]["daemon_hash"], answer
        assert answer["summary"]["changed"] == 0 and answer["approvals"] == []
        planned = [(t["instance_id"], t["serial_number"], t["calls"][0]["to"]) for t in answer["targets"] if t["action"] == "upgrade"]
        assert len(planned) > 10
        assert all(t["start_s"] >= answer["now_s"] and t["done_s"] > t["start_s"] for t in answer["targets"] if t["action"] == "upgrade")
        # the plan does not know who is not healthy before its first fresh read; then it does
        wait_for("the end", lambda: not plan_json(build, "--control.socket=" + daemon.socket)[1]["summary"]["upgrade"] and
                 daemon.sum("sagpin_policy_in_flight") == 0, 120, 0.5)
        called = [(u["instance"], u["serial"]) for u in upgrades(simulator)]
        degraded = {(t["instance_id"], t["serial_number"]) for t in plan_json(build, "--control.socket=" + daemon.socket)[1]["targets"]
                    if t["action"] == "wait" and t["waits_for"] == "degraded"}
        assert sorted(called) == sorted({(p[0], p[1]) for p in planned} - degraded) and len(degraded) == 1, degraded
        # two at a time, in the order of the plan: none is more than a place or two from where it was planned
        places = {(i, s): n for n, (i, s, _) in enumerate(planned)}
        assert all(abs(places[c] - n) <= 4 for n, c in enumerate(called)), (called, planned)


def test_nothing_to_do(build):
    with world(build) as (work, processes):
        _, daemon = begin(build, work, processes, pins='  { name = "old"; match: { id = "*"; }; device = "1.0.0"; policy = "fast"; }')
        status, out, err = plan(build, "--control.socket=" + daemon.socket)
        assert status == 0 and "Nothing to do." in out and not err, (status, out, err)
        status, answer = plan_json(build, "--control.socket=" + daemon.socket)
        assert status == 0 and {t["phase"] for t in answer["targets"]} <= {"ahead", "unknown"}, answer
        status, out, _ = plan(build, "--control.socket=" + daemon.socket, "--all")
        assert out.count("ahead") >= 25, out


def test_errors(build):
    with world(build) as (work, processes):
        status, out, err = plan(build, "--control.socket=" + os.path.join(work, "nobody.sock"))
        assert status == 1 and not out and "is it running?" in err and "--offline" in err, err
        bad = write(work, "bad.cfg", "mode = ;")
        status, out, err = plan(build, bad)
        assert status == 1 and not out and "bad.cfg:1" in err, err
        for args in (["--horizon=0d"], ["--horizon=x"], ["--horizon=1000000d"], ["a", "b"], ["--config.file=a", "b"], ["--offline", "--control.socket=x"],
                     ["--nonsense"]):
            status, out, err = plan(build, *args)
            assert status == 1 and not out and err.startswith("sagpin: "), (args, out, err)


def test_another_configuration(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes)
        assert say(build, daemon, "pause", "--all")[0] == 0
        with open(daemon.config, encoding="utf-8") as f:
            text = f.read()
        same = write(work, "same.cfg", text + "# another comment\n")
        status, answer = plan_json(build, "--control.socket=" + daemon.socket, same)
        assert answer["summary"]["changed"] == 0 and not answer["approvals"], answer["summary"]
        assert {t["action"] for t in answer["targets"]} <= {"wait", "failed", "nothing", "running"}, "it is paused"
        assert any("if it were started with" in n for n in answer["notes"])
        other = write(work, "other.cfg", text.replace('"3.4.2"', '"3.4.1"').replace('name = "fast"', 'name = "quick"').replace('policy = "fast"', 'policy = "quick"'))
        status, answer = plan_json(build, "--control.socket=" + daemon.socket, "--config.file=" + other)
        changed = [t for t in answer["targets"] if t["changed"]]
        assert status == 2 and len(changed) == answer["summary"]["changed"] == len(answer["targets"])
        assert all(t["before"]["desired"] == "3.4.2" and t["before"]["policy"] == "fast" and t["desired"] == "3.4.1" and t["policy"] == "quick"
                   for t in changed)
        assert answer["approvals"] and answer["approvals"][0]["count"] > 10 and answer["approvals"][0]["version"] == "3.4.1"
        status, out, _ = plan(build, "--control.socket=" + daemon.socket, other)
        assert "would change version, policy or wave" in out and "sagpin approve --account=test --version-type=Device --version=3.4.1" in out, out
        assert not upgrades(simulator) or len(upgrades(simulator)) <= 2


def test_changed_file(build):
    with world(build) as (work, processes):
        _, daemon = begin(build, work, processes)
        with open(daemon.config, "a", encoding="utf-8") as f:
            f.write("# more\n")
        assert "has changed since the daemon read it" in plan(build, "--control.socket=" + daemon.socket)[1]


def test_observe_mode(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, mode="observe")
        status, out, _ = plan(build, "--control.socket=" + daemon.socket)
        assert status == 2 and "In observe mode nothing of this happens" in out and "to upgrade" in out, out
        assert not upgrades(simulator)


def table_of(out):
    """The lines of the table: from its titles to the counts."""
    lines = out.split("\n")
    first = next(i for i, line in enumerate(lines) if re.match(r"(IN|FIRST) ", line))
    last = next(i for i, line in enumerate(lines) if i > first and re.match(r"\d+ targets?\b", line))
    return lines[first:last]


def test_text(build):
    with world(build) as (work, processes):
        _, daemon = begin(build, work, processes, deadline="600s")
        socket = "--control.socket=" + daemon.socket
        for width in (40, 80, 200):
            out = plan(build, socket, env={"COLUMNS": str(width)})[1]
            assert all(len(line) <= width for line in table_of(out)), (width, out)
            assert re.search(r"^in (9m|10m) ", out, re.M), out
            assert ("SERIAL" in out) == (width == 200), out
        assert re.search(r"in (9m|10m) +\d\d-\d\d \d\d:\d\d \+08:00 ", out), "local time with its offset: " + out
        many, few = table_of(out), table_of(plan(build, socket, env={"COLUMNS": "100", "LINES": "10"})[1])
        assert len(few) < 8 < len(many) and few[0].startswith("FIRST") and "TARGETS" in few[0], few
        assert len(table_of(plan(build, socket, "--all", env={"LINES": "10"})[1])) > len(many)
        one = re.search(r"sag-\w{10,}", "\n".join(many)).group(0)
        lines = table_of(plan(build, socket, "--instance=" + one, env={"LINES": "10", "COLUMNS": "200"})[1])
        assert 2 <= len(lines) <= 3 and all(one in line for line in lines[1:]), lines
        assert "No target fits the filter." in plan(build, socket, "--instance=nothing")[1]


def in_terminal(build, daemon, env):
    """What it writes to a terminal of 90 columns."""
    argv = [os.path.join(build, "daemon/sagpin"), "plan", "--control.socket=" + daemon.socket]
    pid, fd = pty.fork()
    if pid == 0:
        subprocess.run(["stty", "cols", "90", "rows", "60"], check=False)
        os.environ.pop("NO_COLOR", None)
        os.environ.pop("COLUMNS", None)
        os.execve(argv[0], argv, dict(os.environ, TERM="xterm", **env))
    out = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    return out.decode().replace("\r\n", "\n")


def test_terminal(build):
    with world(build) as (work, processes):
        _, daemon = begin(build, work, processes, deadline="600s")
        plain, colored = in_terminal(build, daemon, {"NO_COLOR": "1"}), in_terminal(build, daemon, {})
        assert "\033" not in plain and "\033[1mIN" in colored and "\033[31m" in colored
        widest = max(len(line) for line in table_of(plain))
        assert 80 < widest <= 90, widest


def test_offline(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=120)
        processes.append(simulator)
        pins = ('  { name = "dpi"; match: { id = "*"; }; device = "3.4.2"; dpi = "@release"; policy = "fast"; }')
        path = write(work, "sagpin.cfg", config(simulator.endpoint, **dict(SLOW, pins=pins)))
        before = files_of(work)
        status, answer = plan_json(build, "--offline", path)
        assert status == 2 and answer["source"] == "cloud" and any("settling" in n for n in answer["notes"]), answer["notes"]
        starts = [t for t in answer["targets"] if t["action"] == "upgrade"]
        assert starts and all(t["start_s"] >= answer["now_s"] + 59 for t in starts), "nothing before one deadline"
        assert any(t["version_type"] == "Dpi" and t["from"] and t["desired"] for t in answer["targets"]), "DPI versions and their catalogue were read"
        asked = {r["action"] for r in simulator.requests()["requests"]}
        assert asked <= READS and "DescribeSmartAccessGatewayVersions" in asked, asked
        listings = [r for r in simulator.requests()["requests"] if r["action"] == "DescribeSmartAccessGateways"]
        assert len(listings) == 3, "one listing of 120"
        assert files_of(work) == before


def test_offline_with_state(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=1s", deadline="6s")
        state = os.path.join(work, "state.db")
        wait_for("a start", lambda: upgrades(simulator))
        status, out, err = plan(build, "--offline", daemon.config)
        assert status == 1 and not out and "sagpin" in err and state in err, (status, err)
        assert say(build, daemon, "pause", "--all")[0] == 0
        assert daemon.stop() == 0
        before, last = files_of(work), simulator.requests()["last"]
        assert "state.db" in before, before
        status, answer = plan_json(build, "--offline", daemon.config)
        assert status == 2 and not any("settling" in n for n in answer["notes"]), answer["notes"]
        assert any(t["waits_for"] == "paused" for t in answer["targets"]), "the pause is in the state"
        assert not any(t["action"] == "upgrade" for t in answer["targets"])
        assert files_of(work) == before, "the state file is as it was"
        asked = {r["action"] for r in simulator.ask("requests?since=%d" % last)["requests"]}
        assert asked and asked <= READS, asked


def test_offline_errors(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=5)
        processes.append(simulator)
        path = write(work, "sagpin.cfg", config(simulator.endpoint))
        status, out, err = plan(build, "--offline", path, env={"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"})
        assert status == 1 and not out and "account test" in err and "cn-shanghai" in err, err
        status, out, err = plan(build, "--offline", path, env={"ALIBABA_CLOUD_ACCESS_KEY_ID": ""})
        assert status == 1 and not out and "no credentials" in err, err
        simulator.stop()
        status, out, err = plan(build, "--offline", path)
        assert status == 1 and not out and "cannot be listed" in err, err


if __name__ == "__main__":
    run(globals())
