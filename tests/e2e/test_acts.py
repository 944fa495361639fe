"""Operators' words over the real daemon and the simulator: what is said holds, is stored before it is answered, and is told."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, run, wait_for, world  # noqa: E402
from test_control import ask  # noqa: E402


def say(build, daemon, command, *args):
    """(exit status, answer) of a command."""
    done = subprocess.run([os.path.join(build, "daemon/sagpin"), command, "--why=a test", "--json", "--control.socket=" + daemon.socket] + list(args),
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, json.loads(done.stdout)


def begin(build, work, processes, *sim_args, instances=30, **kw):
    simulator = Simulator(build, work, *sim_args, instances=instances)
    processes.append(simulator)
    daemon = Daemon(build, work, config(simulator.endpoint, **kw))
    processes.append(daemon)
    return simulator, daemon


def accepted(simulator):
    return simulator.ask("state")["upgrades_accepted"]


def reasons(daemon):
    """{reason: number of targets} of what waits."""
    return {p["reason"]: p["targets"] for p in ask(daemon.socket, "/v1/status")[1]["phases"] if p["phase"] == "waiting"}


def could_go_on(daemon):
    """How many targets wait for nothing but their turn or an operator."""
    return sum(n for reason, n in reasons(daemon).items() if reason not in ("offline", "degraded"))


def assert_nothing_starts(simulator, seconds=3):
    before, end = accepted(simulator), time.monotonic() + seconds
    while time.monotonic() < end:
        assert accepted(simulator) == before
        time.sleep(0.1)


def test_pause_all_and_resume(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=1s", policy_in_flight="2", max_in_flight=2)
        wait_for("two starts", lambda: accepted(simulator) >= 2)
        status, answer = say(build, daemon, "pause", "--all")
        assert status == 0 and answer["outcome"] == "done" and answer["durable"] is True, answer
        assert answer["who"] == ("root" if os.geteuid() == 0 else answer["who"])
        assert ask(daemon.socket, "/v1/status")[1]["paused"] is True
        wait_for("the end of what ran", lambda: ask(daemon.socket, "/v1/status")[1]["in_flight"] == 0)
        assert_nothing_starts(simulator)
        assert reasons(daemon).get("paused", 0) > 0, reasons(daemon)
        assert re.search(r'msg="an operator\'s act" act=pause who=\S+ why="a test" outcome=done', daemon.text()), daemon.text()[-2000:]
        status, answer = say(build, daemon, "pause", "--all")
        assert status == 0 and answer["outcome"] == "already", answer
        before = accepted(simulator)
        status, answer = say(build, daemon, "resume", "--all")
        assert status == 0 and answer["outcome"] == "done" and answer["durable"] is True, answer
        wait_for("new starts", lambda: accepted(simulator) > before)
        wait_for("the fleet in sync", lambda: could_go_on(daemon) == 0, 90)


def test_pause_outlives_a_crash(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=1s", policy_in_flight="2", max_in_flight=2)
        assert say(build, daemon, "pause", "--all")[0] == 0
        daemon.stop(signal.SIGKILL)
        again = Daemon(build, work, config(simulator.endpoint), name="again")
        processes.append(again)
        wait_for("a listing", lambda: again.sum("sagpin_up") == 1)
        assert ask(again.socket, "/v1/status")[1]["paused"] is True
        assert_nothing_starts(simulator)
        assert say(build, again, "resume", "--all")[1]["outcome"] == "done"
        wait_for("starts", lambda: accepted(simulator) > 2)


def test_pause_a_policy_and_a_rollout(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=1s", policy_in_flight="1", max_in_flight=1)
        wait_for("a start", lambda: accepted(simulator) >= 1)
        status, answer = say(build, daemon, "pause", "--policy=slow")
        assert status == 1 and answer["outcome"] == "not_found", answer
        assert answer["next"] == 'no policy is called "slow"; there are: fast', answer
        for command in ("pause", "resume"):
            status, answer = say(build, daemon, command, "--policy=fast", "--version-type=Device", "--version=3.4.22")
            assert status == 1 and answer["outcome"] == "not_found", answer
            assert re.fullmatch("policy fast has no such rollout; it has: .*Device 3.4.2.*", answer["next"]), answer
        status, answer = say(build, daemon, "pause")
        assert status == 1 and answer["outcome"] == "incomplete" and "--all" in answer["next"], answer
        for what in (["--policy=fast"], ["--policy=fast", "--version-type=Device", "--version=3.4.2"]):
            assert say(build, daemon, "pause", *what)[1]["outcome"] == "done", what
            rollout = [r for r in ask(daemon.socket, "/v1/rollouts")[1]["rollouts"] if r["version"] == "3.4.2"][0]
            assert rollout["state"] == "paused" and rollout["policy"] == "fast", rollout
            wait_for("the end of what ran", lambda: ask(daemon.socket, "/v1/status")[1]["in_flight"] == 0)
            assert_nothing_starts(simulator, 2)
            before = accepted(simulator)
            assert say(build, daemon, "resume", *what)[1]["outcome"] == "done", what
            wait_for("new starts", lambda: accepted(simulator) > before)


def targets_of(daemon, instance):
    return ask(daemon.socket, "/v1/targets?instance=" + instance)[1]["targets"]


def test_hold_and_release(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=500ms")
        assert say(build, daemon, "pause", "--all")[0] == 0
        instance = wait_for("a target that is behind", lambda: [t["instance_id"] for t in daemon.targets()
                                                              if t["phase"] == "waiting" and t["version_type"] == "Device"])[0]
        status, answer = say(build, daemon, "hold", "--instance=" + instance)
        assert status == 0 and answer["outcome"] == "done" and answer["count"] == len(targets_of(daemon, instance)), answer
        assert all(t["held"] and t["held_why"] == "a test" and t["held_by"] == answer["who"] for t in targets_of(daemon, instance))
        assert say(build, daemon, "hold", "--instance=" + instance)[1]["outcome"] == "already"
        assert say(build, daemon, "resume", "--all")[0] == 0
        wait_for("all others in sync", lambda: not set(reasons(daemon)) - {"held", "offline", "degraded"}, 90)
        assert reasons(daemon).get("held", 0) > 0
        assert all(t["reported"] != "3.4.2" for t in targets_of(daemon, instance) if t["version_type"] == "Device" and t["held"] and t["behind"])
        status, answer = say(build, daemon, "release", "--instance=" + instance)
        assert status == 0 and answer["outcome"] == "done", answer
        wait_for("nothing held", lambda: "held" not in reasons(daemon), 60)
        wait_for("the released one in sync or under way", lambda: any(t["phase"] in ("upgrading", "verifying", "in_sync")
                                                                      for t in targets_of(daemon, instance)), 60)
        for command in ("hold", "release", "retry", "upgrade-now"):
            status, answer = say(build, daemon, command, "--instance=sag-nowhere")
            assert status == 1 and answer["outcome"] == "not_found" and answer["next"], answer
            status, answer = say(build, daemon, command)
            assert status == 1 and answer["outcome"] == "incomplete" and "--instance" in answer["next"], answer


def test_approve(build):
    with world(build) as (work, processes):
        _, daemon = begin(build, work, processes, instances=5)
        status, answer = say(build, daemon, "approve", "--account=test", "--version-type=Device", "--version=9.9.9", "--count=5")
        assert status == 1 and answer["outcome"] == "not_found" and answer["next"].startswith("what waits with approval: "), answer
        status, answer = say(build, daemon, "approve", "--account=tset", "--version-type=Device", "--version=3.4.2", "--count=5")
        assert status == 1 and answer["next"] == 'no account is called "tset"; there are: test', answer
        status, answer = say(build, daemon, "approve", "--account=test")
        assert status == 1 and answer["outcome"] == "incomplete" and "--count" in answer["next"], answer


def has_acts(build):
    with world(build) as (work, processes):
        daemon = Daemon(build, work, config("http://127.0.0.1:9/", mode="observe", poll_interval="1h"))
        processes.append(daemon)
        return say(build, daemon, "resume", "--all")[1].get("outcome") is not None


if __name__ == "__main__":
    if not has_acts(os.path.abspath(sys.argv[1])):
        print("the core does not answer acts yet")
        sys.exit(77)
    run(globals())
