"""The command line as people and service managers use it: words, exit codes, listen addresses, and the end by a signal."""
import datetime
import os
import re
import signal
import subprocess
import sys
import time
import zoneinfo

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, get, run, wait_for, world  # noqa: E402
from peers import Wire, free_port, is_upgrade  # noqa: E402

OBSERVE = dict(mode="observe", poll_interval="1h")
NOWHERE = "http://127.0.0.1:9/"


def sagpin(build, *args, **kw):
    return subprocess.run([os.path.join(build, "daemon/sagpin")] + list(args), capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, **kw)


def test_help_and_version(build):
    for words in (["--help"], ["-h"]):
        done = sagpin(build, *words)
        assert done.returncode == 0 and not done.stderr, done
        assert re.search(r"^  run ", done.stdout, re.M) and re.search(r"^  check-config ", done.stdout, re.M), done.stdout
    done = sagpin(build, "--version")
    assert done.returncode == 0 and re.match(r"^sagpin, version \d+\.\d+\.\d+ \(revision: \S+\)$", done.stdout.strip()) and not done.stderr, done
    done = sagpin(build, "run", "--help")
    assert done.returncode == 0 and not done.stderr
    for option in ("config.file", "web.listen-address", "metrics.targets", "log.level", "log.format", "help"):
        assert re.search(r"^  --%s\b" % re.escape(option), done.stdout, re.M), option
    done = sagpin(build, "check-config", "--help")
    assert done.returncode == 0 and "check-config FILE" in done.stdout and not done.stderr
    assert all(len(line) <= 100 for line in (sagpin(build, "--help").stdout + sagpin(build, "run", "--help").stdout).splitlines())


# arguments -> what stderr must say; each ends with 1 and writes nothing to stdout
REFUSED = (
    ([], r"Usage: sagpin COMMAND"),
    (["rum"], r"no command 'rum'"),
    (["--verbose"], r"--verbose"),
    ([""], r"no command ''"),
    (["run", "--config"], r"unknown option --config\b"),
    (["run", "-c", "x"], r"unknown option -c"),
    (["run", "--config.file"], r"--config\.file needs a value"),
    (["run", "--web.listen-address"], r"--web\.listen-address needs a value"),
    (["run", "sagpin.cfg"], r"takes no argument sagpin\.cfg"),
    (["run", "--log.level=loud"], r"--log\.level=loud is none of: debug info warn error"),
    (["run", "--log.format=xml"], r"--log\.format=xml is none of: logfmt json"),
    (["run", "--metrics.targets=some"], r"--metrics\.targets=some is none of: none full"),
    (["run", "--config.file=/does/not/exist.cfg"], r"/does/not/exist\.cfg"),
    (["run", "--config.file=/"], r'"?/"?.*'),
    (["run", "--config.file="], r"config"),
    (["check-config"], r"takes one file"),
    (["check-config", "a", "b"], r"takes one file"),
    (["check-config", "--quiet", "a"], r"unknown option --quiet"),
    (["check-config", "/does/not/exist.cfg"], r"/does/not/exist\.cfg"),
    (["check-config", "/dev/null"], r"/dev/null"),
)


def test_what_is_refused(build):
    for words, pattern in REFUSED:
        done = sagpin(build, *words)
        assert done.returncode == 1, (words, done)
        assert re.search(pattern, done.stderr) and not done.stdout, (words, done)


def test_too_many_listen_addresses(build):
    done = sagpin(build, "run", *["--web.listen-address=127.0.0.1:0"] * 17)
    assert done.returncode == 1 and "16 times at most" in done.stderr, done


def test_check_config(build):
    with world(build) as (work, _):
        path = os.path.join(work, "sagpin.cfg")
        good = config(NOWHERE)
        with open(path, "w", encoding="utf-8") as f:
            f.write(good)
        done = sagpin(build, "check-config", path)
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and lines[:2] == [path + ": good (mode enforce, 1 account, 1 region, 1 policy, 1 pin)",
                                                      'policy "fast": always open'], done
        assert len(lines) == 3 and re.match(r"  at most about \d+ starts fit into the next 32 days, which are open for 32d$", lines[2]), done
        assert not done.stderr, done
        assert sagpin(build, "check-config", "--", path).returncode == 0
        with open(path, "w", encoding="utf-8") as f:
            f.write(good.replace('"500ms"', '"500 parsecs"').replace('policy = "fast"', 'policy = "slow"'))
        done = sagpin(build, "check-config", path)
        assert done.returncode == 1 and not done.stdout and "2 errors" in done.stderr, done
        assert len(re.findall(r"^error: .*sagpin\.cfg:\d+: ", done.stderr, re.M)) == 2 and "parsecs" in done.stderr and "slow" in done.stderr, done


def times(text):
    """A configuration whose one policy has the windows and freezes of `text`."""
    return config(NOWHERE).replace("policies = (", text + "\npolicies = (").replace('windows = [ "always" ];', 'windows = [ "w" ]; freezes = [ "f" ];')


def test_check_config_tells_openings(build):
    """As Python's zoneinfo has it, on the real clock: an hour that comes daily in Berlin, without the days of a freeze in Tokyo."""
    berlin, tokyo, utc = (zoneinfo.ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Tokyo", "UTC"))
    now = datetime.datetime.now(utc)
    start = (now.astimezone(berlin) + datetime.timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
    frozen = [(now.astimezone(tokyo) + datetime.timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0) for days in (-1, 3)]
    text = times('windows = ( { name = "w"; time_zone = "Europe/Berlin"; days = [ "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" ];\n'
                 'start = "%s"; length = "1h"; } );\nfreezes = ( { name = "f"; time_zone = "Asia/Tokyo"; from = "%s"; to = "%s"; reason = "a fair"; } );'
                 % (start.strftime("%H:%M"), frozen[0].strftime("%Y-%m-%d"), frozen[1].strftime("%Y-%m-%d")))
    want, day = [], 0
    while len(want) < 3:
        begin = (start.replace(tzinfo=None) + datetime.timedelta(days=day)).replace(tzinfo=berlin).astimezone(utc)
        end = begin + datetime.timedelta(hours=1)
        day += 1
        begin = max(begin, frozen[1].astimezone(utc))
        if begin < end:
            want.append("  open %s to %s Europe/Berlin (%s to %s UTC)" % tuple(
                t.astimezone(zone).strftime("%a %Y-%m-%d %H:%M") for zone in (berlin, utc) for t in (begin, end)))
    with world(build) as (work, _):
        path = os.path.join(work, "sagpin.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        done = sagpin(build, "check-config", path, env=dict(os.environ, LC_ALL="C", TZ="America/New_York"))
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and not done.stderr, done
        assert lines[1] == 'policy "fast": closed (freeze): "f" until %s Asia/Tokyo (%s UTC): a fair' % tuple(
            frozen[1].astimezone(zone).strftime("%a %Y-%m-%d %H:%M") for zone in (tokyo, utc)), (lines, frozen)
        assert lines[2:5] == want, (lines, want)
        assert len(lines) == 6 and re.match(r"  at most about \d+ starts fit into the next 32 days, which are open for 1d", lines[5]), lines
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(frozen[1].strftime("%Y-%m-%d"), (now + datetime.timedelta(days=60)).strftime("%Y-%m-%d")))
        done = sagpin(build, "check-config", path)
        assert done.returncode == 0 and 'warning: policy "fast": no upgrade can start in the next 32 days' in done.stderr, done
        assert len(done.stdout.splitlines()) == 5, done


def addresses(daemon):
    return re.findall(r'msg="listening" address="?([^\s"]+)', daemon.text())


def test_listen_addresses(build):
    # address -> (addresses that it listens on, of one port)
    cases = (("127.0.0.1:0", [r"127\.0\.0\.1"]), ("[::1]:0", [r"\[::1\]"]), (":0", [r"0\.0\.0\.0", r"\[::\]"]), ("0.0.0.0:0", [r"0\.0\.0\.0"]),
             ("localhost:0", [r"(?:127\.0\.0\.1|\[::1\])"]))
    for address, hosts in cases:
        with world(build) as (work, processes):
            daemon = Daemon(build, work, config(NOWHERE, **OBSERVE), listen=address)
            processes.append(daemon)
            got = addresses(daemon)
            for host in hosts:
                assert any(re.match(host + r":\d+$", a) for a in got), (address, got)
            ports = {a.rsplit(":", 1)[1] for a in got}
            assert len(ports) == 1 and "0" not in ports, (address, got)
            port = ports.pop()
            for host in (["127.0.0.1", "[::1]"] if address == ":0" else [got[0].rsplit(":", 1)[0]]):
                assert get("http://%s:%s/-/healthy" % (host, port))[0] == 200, (address, host)
            assert daemon.stop() == 0


BAD_ADDRESSES = ("", ":", "127.0.0.1", "localhost", "::1", "::1:80", "[::1]", "[::1]80", "[]:80", "1.2.3.4:65536", "127.0.0.1:-1", "127.0.0.1:http",
                 "127.0.0.1: 80", "http://127.0.0.1:80", "127.0.0.1:80/metrics", "no-such-host.invalid:0", "192.0.2.1:0", "x" * 300 + ":0")


def test_listen_addresses_that_are_refused(build):
    with world(build) as (work, _):
        path = os.path.join(work, "sagpin.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write(config(NOWHERE, **OBSERVE))
        env = dict(os.environ, ALIBABA_CLOUD_ACCESS_KEY_ID="a", ALIBABA_CLOUD_ACCESS_KEY_SECRET="b")
        for address in BAD_ADDRESSES:
            done = sagpin(build, "run", "--config.file=" + path, "--web.listen-address=" + address, env=env)
            assert done.returncode == 1 and address[:100] in done.stderr, (address, done)
            assert re.search(r"listen", done.stderr) and "Traceback" not in done.stderr, (address, done)


def test_two_listen_addresses(build):
    with world(build) as (work, processes):
        chosen = "127.0.0.1:%d" % free_port()
        daemon = Daemon(build, work, config(NOWHERE, **OBSERVE), "--web.listen-address=[::1]:0", "--web.listen-address", chosen)
        processes.append(daemon)
        got = wait_for("three addresses", lambda: len(addresses(daemon)) == 3 and addresses(daemon))
        assert got[2] == chosen, got
        for address in got:
            assert get("http://%s/metrics" % address)[0] == 200, address
        clash = Daemon(build, work, config(NOWHERE, **OBSERVE), "--web.listen-address=" + got[0], name="clash", is_ready=False)
        processes.append(clash)
        assert clash.child.wait(20) == 1 and re.search(r"cannot listen on %s: .*in use" % re.escape(got[0]), clash.text()), clash.text()
        assert get("http://%s/-/healthy" % got[0])[0] == 200


def stop_and_time(daemon, sig=signal.SIGTERM):
    began = time.monotonic()
    status = daemon.stop(sig, 5)
    return status, time.monotonic() - began


def test_sigterm_during_upgrades(build):
    for sig in (signal.SIGTERM, signal.SIGINT):
        with world(build) as (work, processes):
            simulator = Simulator(build, work, "--upgrade-time=60s", instances=30)
            processes.append(simulator)
            daemon = Daemon(build, work, config(simulator.endpoint, deadline="1s", max_in_flight=5, policy_in_flight="100%"))
            processes.append(daemon)
            wait_for("upgrades under way", lambda: simulator.ask("state")["upgrades_accepted"] == 5)
            wait_for("the daemon to know", lambda: daemon.sum("sag_upgrade_in_progress") == 5)
            status, took = stop_and_time(daemon, sig)
            assert status == 0 and took < 2, (status, took)
            assert "msg=\"stopping\" signal=%s" % sig.name in daemon.text()
            assert re.search(r'unsettled.*upgrades=5$', daemon.text().strip()), daemon.text()[-500:]


def test_sigterm_while_the_cloud_is_silent(build):
    """Calls under way are not waited for; those that may have arrived count as unsettled."""
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--upgrade-time=60s", instances=30)
        processes.append(simulator)
        wire = Wire(int(re.search(r":(\d+)/", simulator.endpoint).group(1)), lambda header, use: "swallow" if is_upgrade(header) else "pass")
        processes.append(wire)
        daemon = Daemon(build, work, config("http://127.0.0.1:%d/" % wire.port, deadline="1s", timeout="60s", max_in_flight=3, policy_in_flight="100%"))
        processes.append(daemon)
        wait_for("three calls without an answer", lambda: simulator.ask("state")["upgrade_requests"] == 3)
        status, took = stop_and_time(daemon)
        assert status == 0 and took < 2, (status, took)
        assert re.search(r'unsettled.*upgrades=3$', daemon.text().strip()), daemon.text()[-500:]


def test_sighup_ends_nothing(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=20)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, mode="observe"))
        processes.append(daemon)
        daemon.child.send_signal(signal.SIGHUP)
        wait_for("a word about SIGHUP", lambda: "signal=SIGHUP" in daemon.text() or not daemon.is_running(), 10)
        assert daemon.is_running() and daemon.get("/-/healthy")[0] == 200
        assert daemon.stop() == 0


def test_sigterm_in_peace(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=5)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **OBSERVE))
        processes.append(daemon)
        wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1)
        status, took = stop_and_time(daemon)
        assert status == 0 and took < 2 and daemon.text().strip().endswith('msg="stopped"'), daemon.text()


run(globals())
