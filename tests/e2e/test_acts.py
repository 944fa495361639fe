"""Operators' words over the real daemon and the simulator: what is said holds, is stored before it is answered, and is told."""
import json
import os
import pwd
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


def user_name():
    """Of whoever runs this, as the daemon tells it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


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
        assert answer["who"] == user_name()
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
    return ask(daemon.socket, "/v1/targets?instance=" + instance)[1].get("targets", [])  # none before the state was read


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


MINE = dict(id="sag-mine", region="cn-shanghai", serial="sagmine1", model="sag-1000", version="3.1.0")


def calls_of_others(simulator):
    return [u for u in simulator.ask("upgrades")["targets"] if u["instance"] != MINE["id"]]


def phases_of(daemon, instance):
    return [(t["phase"], t["reason"]) for t in targets_of(daemon, instance)]


def test_retry(build):
    with world(build) as (work, processes):
        simulator, daemon = begin(build, work, processes, "--upgrade-time=500ms", "--fault=version_error=always@UpdateSmartAccessGatewayVersion", instances=8)
        simulator.ask("instance", MINE)
        wait_for("attempts to be used up", lambda: not set(reasons(daemon)) - {"offline", "degraded", "pair"} and
                 phases_of(daemon, MINE["id"]) == [("failed", "retries")])
        simulator.ask("faults", {"version_error": "off"})
        assert_nothing_starts(simulator, 2)
        others = calls_of_others(simulator)
        assert others, "others failed, too"
        status, answer = say(build, daemon, "retry", "--instance=" + MINE["id"])
        assert status == 0 and answer["outcome"] == "done" and answer["count"] == 1 and answer["durable"] is True, answer
        wait_for("the one that was retried", lambda: phases_of(daemon, MINE["id"]) == [("in_sync", "none")])
        assert accepted(simulator) == 1 and calls_of_others(simulator) == others
        assert say(build, daemon, "retry", "--instance=" + MINE["id"])[1]["outcome"] == "already"


def test_upgrade_now_outside_a_window(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=500ms", instances=8)
        processes.append(simulator)
        simulator.ask("instance", MINE)
        day = time.strftime("%a", time.gmtime(time.time() + 3 * 86400))
        text = config(simulator.endpoint).replace('windows = [ "always" ];', 'windows = [ "later" ];')
        text += 'windows = ( { name = "later"; time_zone = "UTC"; days = [ "%s" ]; start = "00:00"; length = "1h"; } );\n' % day
        daemon = Daemon(build, work, text)
        processes.append(daemon)
        wait_for("targets to wait for the window", lambda: reasons(daemon).get("window", 0) > 3 and phases_of(daemon, MINE["id"]) == [("waiting", "window")])
        # a first start settles, which nothing skips
        status, answer = say(build, daemon, "upgrade-now", "--instance=" + MINE["id"])
        assert status == 0 and answer["outcome"] == "done" and answer["count"] == 1 and answer["durable"] is True, answer
        wait_for("the urgent one", lambda: phases_of(daemon, MINE["id"]) == [("in_sync", "none")])
        assert accepted(simulator) == 1 and not calls_of_others(simulator)
        assert_nothing_starts(simulator, 2)
        assert reasons(daemon).get("window", 0) > 3


if __name__ == "__main__":
    run(globals())
