"""Runs the benchmark on a release build and prints its tables. See README.md beside this file for how to read them.

usage: bench.py BUILD INSTANCES...
"""
import json
import math
import mmap
import os
import platform
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from harness import KEY_ID, KEY_SECRET, Daemon, Simulator, wait_for  # noqa: E402

PAGE = 50
SAMPLE = 2000          # instances that the Python peer reads one by one
CALLS = {1: 4000, 64: 12000}  # signed requests of one run, by concurrency
ROUNDS = 5             # interleaved runs of each client
WARM_UP = 500
SCRAPES = 5            # 3 of a large fleet
PYTHON_TARGETS = 20000  # at most; it is linear, and 100,000 take a minute and a gigabyte

AIM_CALL_RATIO = 0.65
AIM_US = 15
AIM_BYTES = 600
AIM_SCRAPE_S = 0.2     # of 100,000 targets
AIM_TURN_MS = 10

CONFIG = """
mode = "observe";
accounts = (
  {{ name = "test"; credentials: {{ source = "env"; }}; regions = [ "cn-shanghai" ]; endpoint = "{endpoint}";
    poll_interval = "{interval}s"; dpi_poll_interval = "1d";
    api: {{ calls_per_second = "1000"; burst = 10000; concurrency = 32; timeout = "30s"; }}; }}
);
policies = (
  {{ name = "bench"; windows = [ "always" ]; max_in_flight = "5%"; max_starts_per_hour = 60; deadline = "{deadline}s"; }}
);
pins = (
  {{ name = "all"; match: {{ id = "*"; }}; device = "3.4.2"; policy = "bench"; }}
);
"""

ENVIRONMENT = dict(os.environ, ALIBABA_CLOUD_ACCESS_KEY_ID=KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET=KEY_SECRET,
                   PROMETHEUS_DISABLE_CREATED_SERIES="True")


# ---- measuring from outside ----

def cpu_s(process):
    """CPU time of a process and all its threads, ended ones too, in seconds; Linux's per-process clock."""
    return time.clock_gettime((~process.child.pid << 3) | 2)


def rss(process, field="VmRSS"):
    with open("/proc/%d/status" % process.child.pid, encoding="ascii") as f:
        return int(re.search(r"^%s:\s+(\d+) kB" % field, f.read(), re.M).group(1)) * 1024


def wait_idle(process, seconds=600):
    """Until its CPU clock has stood (almost) still for half a second; asks nothing of the process itself."""
    marks = []

    def is_idle():
        assert process.is_running(), process.text()[-2000:]
        marks.append(cpu_s(process))
        return len(marks) > 10 and marks[-1] - marks[-11] < 0.0005

    wait_for("%s to be idle" % process.name, is_idle, seconds)


class Turns:
    """What bench_turns.so measures inside the daemon's loop."""
    LAYOUT = struct.Struct("=9Q")

    def __init__(self, work):
        self.path = os.path.join(work, "turns")
        with open(self.path, "wb") as f:
            f.write(bytes(self.LAYOUT.size))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), self.LAYOUT.size)

    def take(self):
        """{name: number} since the last take."""
        values = self.LAYOUT.unpack(self.map[:])
        self.map[:] = bytes(self.LAYOUT.size)
        return dict(zip(("turns", "cpu_ns", "cpu_max_ns", "wall_max_ns", "over1", "over2", "over5", "over10", "over20"), values))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- tables ----

def table(title, header, rows):
    rows = [[str(cell) for cell in row] for row in [header] + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    print("\n%s\n" % title)
    for i, row in enumerate(rows):
        print("| " + " | ".join(c.ljust(w) if j == 0 else c.rjust(w) for j, (c, w) in enumerate(zip(row, widths))) + " |")
        if i == 0:
            print("|" + "|".join(("-" * (w + 2)) if j == 0 else ("-" * (w + 1) + ":") for j, w in enumerate(widths)) + "|")
    sys.stdout.flush()


def verdict(value, aim):
    return "met" if value <= aim else "MISSED"


# ---- the daemon ----

class World:
    def __init__(self, build, work):
        self.build, self.work, self.processes, self.count = build, work, [], 0

    def simulator(self, instances):
        self.count += 1
        s = Simulator(self.build, self.work, "--access-key-secret=" + KEY_SECRET, name="simulator%d" % self.count, instances=instances)
        self.processes.append(s)
        return s

    def daemon(self, endpoint, *args, interval=3600, deadline=1, env=None):
        self.count += 1
        address = "127.0.0.1:%d" % free_port()
        d = Daemon(self.build, self.work, CONFIG.format(endpoint=endpoint, interval=interval, deadline=deadline), *args,
                   name="sagpin%d" % self.count, env=env, listen=address, is_ready=False)
        self.processes.append(d)
        d.address = address  # a quiet daemon does not tell
        return d

    def stop(self, process):
        self.processes.remove(process)
        status = process.stop(seconds=60)
        assert status == 0, (process.name, status, process.text()[-2000:])

    def stop_all(self):
        for p in reversed(self.processes):
            if p.is_running():
                p.stop(seconds=60)


def list_calls(simulator):
    actions = [r["action"] for r in simulator.requests()["requests"]]
    other = sorted({a for a in actions if a != "DescribeSmartAccessGateways"})
    assert not other, "an observation made calls that it need not: %s" % other
    return len(actions)


def empty_daemon(world):
    """CPU and memory of a daemon that has started and listed a fleet of nothing."""
    simulator = world.simulator(0)
    daemon = world.daemon(simulator.endpoint, "--log.level=warn")
    wait_idle(daemon)
    found = cpu_s(daemon), rss(daemon)
    world.stop(daemon)
    simulator.stop()
    world.processes.remove(simulator)
    return found


def count_targets(daemon):
    return int(daemon.sum("sagpin_targets"))


def observe(world, simulator, n, empty, level):
    """Two observations: all decisions in the first, none in the second."""
    pages = math.ceil(n / PAGE)
    interval = max(15, n // 5000)
    before = list_calls(simulator)
    daemon = world.daemon(simulator.endpoint, "--log.level=" + level, "--metrics.targets=none", interval=interval)
    wait_idle(daemon)
    first = cpu_s(daemon) - empty[0]
    assert list_calls(simulator) - before == pages, "the first observation took %d list calls, not %d" % (list_calls(simulator) - before, pages)
    memory, at = rss(daemon), cpu_s(daemon)
    wait_for("the second observation", lambda: simulator.ask("state")["requests"] - before > pages, interval + 60, 0.2)
    wait_idle(daemon)
    second = cpu_s(daemon) - at
    calls = list_calls(simulator) - before
    assert calls == 2 * pages, "two observations took %d list calls, not %d" % (calls, 2 * pages)
    result = {
        "calls": pages, "first_s": first, "second_s": second, "rss": memory, "rss_later": rss(daemon), "peak": rss(daemon, "VmHWM"),
        "targets": count_targets(daemon), "behind": int(sum(v for (m, p), v in daemon.metrics().items()
                                                            if m == "sagpin_targets" and dict(p)["phase"] == "waiting")),
    }
    world.stop(daemon)
    return result


def measure_observation(world, simulator, n, empty):
    rows, bytes_per_target, us = [], [], []
    for level in ("warn", "info"):
        runs = [observe(world, simulator, n, empty, level) for _ in range(3 if n <= 20000 else 1)]
        mid = lambda key: statistics.median(r[key] for r in runs)  # noqa: E731
        per_target = (mid("rss") - empty[1]) / mid("targets")
        per_target_later = (mid("rss_later") - empty[1]) / mid("targets")
        bytes_per_target.append(per_target_later)
        us.append(mid("first_s") / n * 1e6)
        rows.append(["log.level=" + level, runs[0]["calls"], runs[0]["targets"], runs[0]["behind"],
                     "%.3f" % mid("first_s"), "%.1f" % us[-1], "%.3f" % mid("second_s"), "%.1f" % (mid("second_s") / n * 1e6),
                     "%.1f" % (mid("rss_later") / 1e6), "%.1f" % (mid("peak") / 1e6), "%.0f" % per_target, "%.0f" % per_target_later])
    table("Observation of %d instances (an empty daemon: %.1f ms of CPU to start, %.1f MB)" % (n, empty[0] * 1e3, empty[1] / 1e6),
          ["", "list calls", "targets", "waiting", "first, CPU s", "us/instance", "second, CPU s", "us/instance", "RSS MB", "peak MB",
           "bytes/target", "after second"], rows)
    return us, bytes_per_target


def measure_turns(world, simulator, n):
    """The longest turns, by what goes on."""
    turns = Turns(world.work)
    rows, longest = [], []
    interval = max(15, n // 5000)
    daemon = world.daemon(simulator.endpoint, "--log.level=info", interval=interval, deadline=2,
                          env={"LD_PRELOAD": os.path.join(world.build, "tests/bench/bench_turns.so"), "BENCH_TURNS": turns.path})

    def row(what):
        t = turns.take()
        longest.append(t["cpu_max_ns"] / 1e6)
        rows.append([what, t["turns"], "%.2f" % (t["cpu_max_ns"] / 1e6), "%.2f" % (t["wall_max_ns"] / 1e6)] +
                    [t["over%d" % ms] for ms in (1, 2, 5, 10, 20)])

    wait_idle(daemon)
    before = list_calls(simulator)
    row("first observation")
    for what, path, headers in (("scrape", "/metrics", {}), ("scrape, gzip", "/metrics", {"Accept-Encoding": "gzip"}),
                                ("landing page", "/", {})):
        for _ in range(3):
            daemon.get(path, headers=headers, timeout=60)
        row(what)
    wait_for("the second observation", lambda: simulator.ask("state")["requests"] > before, interval + 60, 0.2)
    daemon.get("/metrics", timeout=60)
    wait_idle(daemon)
    row("second observation, scraped meanwhile")
    histogram = highest_bucket(daemon)
    world.stop(daemon)
    table("Time away from the wait, %d instances (of CPU unless it says wall; highest bucket of the daemon's own histogram: %s)" % (n, histogram),
          ["", "turns", "longest ms", "longest wall ms", ">1 ms", ">2 ms", ">5 ms", ">10 ms", ">20 ms"], rows)
    return max(longest)


def highest_bucket(daemon):
    buckets = sorted((float(dict(p)["le"]), v) for (m, p), v in daemon.metrics().items() if m == "sagpin_loop_stall_seconds_bucket")
    total = buckets[-1][1]
    return "le %g s" % next(le for le, v in buckets if v == total)


def scrape(daemon, rounds, *args):
    """Medians of wall time and CPU, and the bytes of one scrape."""
    wall, cpu = [], []
    for _ in range(rounds):
        wait_idle(daemon)
        at = cpu_s(daemon)
        out = subprocess.run(["curl", "-sf", "-o", "/dev/null", "-w", "%{time_total} %{size_download}", *args, "http://%s/metrics" % daemon.address],
                             check=True, capture_output=True, text=True, timeout=120).stdout.split()
        wait_idle(daemon)
        cpu.append(cpu_s(daemon) - at)
        wall.append(float(out[0]))
    return int(out[1]), statistics.median(wall), statistics.median(cpu)


OPENMETRICS = ["-H", "Accept: application/openmetrics-text;version=1.0.0"]
GZIP = ["-H", "Accept-Encoding: gzip"]


def measure_scrapes(world, simulator, n):
    rows, plain = [], None
    for targets in ("full", "none"):
        daemon = world.daemon(simulator.endpoint, "--log.level=warn", "--metrics.targets=" + targets)
        wait_idle(daemon)
        body = daemon.get("/metrics", timeout=60)[2]
        series = sum(1 for line in body.splitlines() if not line.startswith(b"#"))
        for what, args in (("text", []), ("text, gzip", GZIP), ("OpenMetrics", OPENMETRICS), ("OpenMetrics, gzip", OPENMETRICS + GZIP)):
            size, wall, cpu = scrape(daemon, SCRAPES if n <= 20000 else 3, *args)
            plain = cpu if plain is None else plain
            rows.append(["targets=%s, %s" % (targets, what), series, size, "%.1f" % (wall * 1e3), "%.1f" % (cpu * 1e3), "%.3f" % (cpu / series * 1e6)])
        if targets == "full" and n <= 20000:
            check = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
            assert check.returncode == 0, "promtool check metrics: " + check.stderr.decode()[-2000:]
            print("\npromtool check metrics: ok")
        targets_n = count_targets(daemon)
        world.stop(daemon)
    peer = json.loads(subprocess.run([sys.executable, os.path.join(HERE, "peer.py"), "scrape", str(min(n, PYTHON_TARGETS))], check=True, capture_output=True,
                                     env=ENVIRONMENT, timeout=600).stdout)
    for what, key in (("text", "plain_s"), ("text, gzip", "gzip_s")):
        rows.append(["Python prometheus_client, %d targets, %s" % (min(n, PYTHON_TARGETS), what), peer["series"], peer["bytes"] if key == "plain_s" else "", "", "%.1f" % (peer[key] * 1e3),
                     "%.3f" % (peer[key] / peer["series"] * 1e6)])
    table("One scrape of %d instances, %d targets" % (n, targets_n), ["", "series", "bytes", "wall ms", "CPU ms", "CPU us/series"], rows)
    return plain * 1e5 / targets_n


# ---- the peers ----

def run_json(argv, text):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, env=ENVIRONMENT, timeout=300, check=False)
    assert done.returncode == 0, "%s: %s" % (argv[0], done.stderr[-2000:])
    return json.loads(done.stdout)


def measure_calls(world, simulator, pairs):
    """C and Go in turn (A B A B); medians of CPU per request and of the ratio of each round."""
    clients = {"sagpin's client (C, libcurl)": os.path.join(world.build, "tests/bench/bench_client"),
               "Go %s, net/http" % go_version(): os.path.join(world.build, "bench_peer_go")}
    rows, ratios = [], {}
    for concurrency, count in CALLS.items():
        us = {name: [] for name in clients}
        rate = {name: [] for name in clients}
        for _ in range(ROUNDS):
            for name, path in clients.items():
                found = run_json([path, simulator.endpoint, str(count), str(concurrency), str(WARM_UP)], pairs)
                us[name].append(found["cpu_s"] / count * 1e6)
                rate[name].append(count / found["wall_s"])
        c, go = us.values()
        ratios[concurrency] = statistics.median(x / y for x, y in zip(c, go))
        for name in clients:
            ratio = statistics.median(x / y for x, y in zip(us[name], go))
            rows.append(["%s, %d at a time" % (name, concurrency), "%.1f" % statistics.median(us[name]),
                         "%.1f to %.1f" % (min(us[name]), max(us[name])), "%.0f" % statistics.median(rate[name]), "%.2f" % ratio])
    table("A small signed request over http, reply parsed; %d rounds in turn" % ROUNDS,
          ["", "CPU us", "least to most", "per second", "of Go's"], rows)
    return ratios


def go_version():
    return re.search(r"go([\d.]+)", subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout).group(1)


def measure_python(world, simulator, ids, us):
    found = [run_json([sys.executable, os.path.join(HERE, "peer.py"), "calls", simulator.endpoint], "\n".join(ids)) for _ in range(3)]
    python = statistics.median(f["cpu_s"] / f["calls"] * 1e6 for f in found)
    rows = [["sagpin, the list, all decisions", "0.02", "%.1f" % us, "1"],
            ["Python, http.client and prometheus_client, a call an instance", "1", "%.0f" % python, "%.0f" % (python / us)]]
    table("One observation, per instance (Python: %d of them)" % len(ids), ["", "calls", "CPU us", "ratio"], rows)


def fleet(simulator):
    """(id, serial number) of the instances that have a device."""
    found = [(i["id"], d["serial"]) for i in simulator.ask("fleet")["instances"] for d in i["devices"][:1]]
    return [(i, s) for i, s in found if s]


# ---- all of it ----

def main():
    build, sizes = os.path.abspath(sys.argv[1]), [int(a) for a in sys.argv[2:]]
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    print("%s, %d CPUs, Linux %s, load %.1f. Other work on the machine shows in wall times; trust CPU times and ratios." %
          (model.group(1) if model else platform.machine(), os.cpu_count(), platform.release(), os.getloadavg()[0]))
    aims = []
    with tempfile.TemporaryDirectory(prefix="sagpin-bench-") as work:
        world = World(build, work)
        try:
            empty = empty_daemon(world)
            for n in sizes:
                simulator = world.simulator(n)
                us, bytes_per_target = measure_observation(world, simulator, n, empty)
                turn = measure_turns(world, simulator, n)
                plain = measure_scrapes(world, simulator, n)
                aims += [["%d: CPU us per instance and observation, all decisions" % n, "%.1f" % us[0], AIM_US, verdict(us[0], AIM_US)],
                         ["%d: the same with each decision logged" % n, "%.1f" % us[1], AIM_US, verdict(us[1], AIM_US)],
                         ["%d: bytes of memory per target" % n, "%.0f" % bytes_per_target[0], AIM_BYTES, verdict(bytes_per_target[0], AIM_BYTES)],
                         ["%d: plain scrape, CPU s per 100,000 targets" % n, "%.3f" % plain, AIM_SCRAPE_S, verdict(plain, AIM_SCRAPE_S)],
                         ["%d: longest time away from the wait, ms of CPU" % n, "%.1f" % turn, AIM_TURN_MS, verdict(turn, AIM_TURN_MS)]]
                world.stop(simulator)
            simulator = world.simulator(SAMPLE + 100)
            members = fleet(simulator)
            measure_python(world, simulator, [i for i, _ in members[:SAMPLE]], us[0])
            ratios = measure_calls(world, simulator, "".join("%s %s\n" % m for m in members))
            aims += [["CPU of a signed request, of Go's, %d at a time" % c, "%.2f" % r, AIM_CALL_RATIO, verdict(r, AIM_CALL_RATIO)]
                     for c, r in ratios.items()]
        finally:
            world.stop_all()
    table("Against the aims", ["", "found", "aim", ""], aims)


main()
