"""Starts the simulator and the daemon for an end-to-end test, waits for conditions, and stops what it started.

No sleeps for luck: every wait is for a condition and has a limit. Loopback only.
"""
import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

KEY_ID = "LTAI5tSimulator"
KEY_SECRET = "simulator-secret-not-a-real-one"

CONFIG = """
mode = "{mode}";
state = "{state}";
max_in_flight = {max_in_flight};
accounts = (
  {{ name = "test"; credentials: {{ source = "env"; }}; regions = [ "cn-shanghai" ]; endpoint = "{endpoint}"; signature = "{signature}";
    poll_interval = "{poll_interval}"; dpi_poll_interval = "{dpi_poll_interval}"; blast_radius = "{blast_radius}";
    api: {{ calls_per_second = "{calls_per_second}"; burst = 200; concurrency = 16; timeout = "{timeout}"; {api} }}; }}
);
policies = (
  {{ name = "fast"; windows = [ "always" ]; max_in_flight = {policy_in_flight}; max_starts_per_hour = {starts_per_hour}; deadline = "{deadline}";
    retry: {{ attempts = 3; first = "1s"; max = "4s"; }}; verify: {{ soak = "{soak}"; vpn = true; }}; halt: {{ {halt} }}; {policy} }}
);
pins = (
{pins}
);
"""

DEFAULTS = dict(mode="enforce", max_in_flight=100, signature="v3", poll_interval="2s", dpi_poll_interval="10s", calls_per_second="500",
                timeout="5s", api="", policy_in_flight="50%", starts_per_hour=100000, deadline="6s", soak="500ms",
                state="state.db", blast_radius="100%", halt='failures = 100000; percent = "0%";', policy="",
                pins='  { name = "all"; match: { id = "*"; }; device = "3.4.2"; policy = "fast"; }')


def wait_for(what, condition, seconds=60, step=0.05):
    """Calls condition until it is true and gives what it gave; fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %d s for: %s" % (seconds, what))
        time.sleep(step)


def get(url, headers=None, method="GET", data=None, timeout=10):
    """(status, headers, body) of a request; HTTP errors are answers, not exceptions."""
    request = urllib.request.Request(url, headers=headers or {}, method=method, data=data)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@functools.lru_cache
def metric_names():
    """All that the exposition may have series of."""
    names = set()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../metrics/catalogue.def"), encoding="utf-8") as f:
        for name, kind in re.findall(r'^METRIC\(\w+, "(\w+)", (\w+),', f.read(), re.M):
            names.update([name + s for s in ("_bucket", "_sum", "_count")] if kind == "HISTOGRAM" else [name])
    assert len(names) > 50, names
    return names


class Process:
    """A child with its stderr in a file."""

    def __init__(self, work, name, argv, env=None, cwd=None):
        self.name, self.log = name, os.path.join(work, name + ".log")
        self.out = open(self.log, "ab")
        self.child = subprocess.Popen(argv, stdout=self.out, stderr=self.out, stdin=subprocess.DEVNULL, env=env, cwd=cwd)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def is_running(self):
        return self.child.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=20):
        """Ends it and gives its exit status."""
        if self.is_running():
            self.child.send_signal(sig)
        try:
            status = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError("%s did not end within %d s" % (self.name, seconds))
        self.out.close()
        return status


class Simulator(Process):
    def __init__(self, build, work, *args, name="simulator", instances=50, seed=1):
        argv = [os.path.join(build, "tests/cloud/sagpin-simulator"), "--listen=127.0.0.1:0"]
        if not any(a.startswith("--fleet") for a in args):
            argv += ["--instances=%d" % instances, "--seed=%d" % seed]
        super().__init__(work, name, argv + list(args))
        found = wait_for("the simulator to listen", lambda: re.search(r"^listening on (\S+)", self.text(), re.M) or not self.is_running())
        assert found is not True, "the simulator ended: " + self.text()
        self.endpoint = found.group(1)
        self.control = self.endpoint

    def ask(self, path, value=None):
        data = None if value is None else json.dumps(value).encode()
        url = self.control + "_sim/" + path
        if url.startswith("https:"):
            import ssl
            context = ssl._create_unverified_context()
            with urllib.request.urlopen(urllib.request.Request(url, data=data), context=context, timeout=10) as answer:
                return json.loads(answer.read() or b"null")
        status, _, body = get(url, method="GET" if value is None else "POST", data=data)
        assert status == 200, (url, status, body)
        return json.loads(body or b"null")

    def requests(self):
        return self.ask("requests")


class Daemon(Process):
    def __init__(self, build, work, config, *args, env=None, name="sagpin", listen="127.0.0.1:0", is_ready=True):
        environment = dict(os.environ, ALIBABA_CLOUD_ACCESS_KEY_ID=KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET=KEY_SECRET)
        environment.update(env or {})
        self.config = os.path.join(work, name + ".cfg")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config)
        self.socket = os.path.join(work, name + ".sock")
        super().__init__(work, name, [os.path.join(build, "daemon/sagpin"), "run", "--config.file=" + self.config,
                                      "--control.socket=" + self.socket, "--web.listen-address=" + listen] + list(args), env=environment)
        self.address = None
        if is_ready:
            self.wait_listening()

    def wait_listening(self):
        found = wait_for("the daemon to listen",
                         lambda: re.search(r'msg"?[=:]\s?"?listening"?.*?address"?[=:]\s?"?([^\s",}]+)', self.text()) or not self.is_running())
        assert found is not True, "the daemon ended: " + self.text()
        self.address = found.group(1)

    def get(self, path, **kw):
        return get("http://%s%s" % (self.address, path), **kw)

    def metrics(self):
        """{(name, ((label, value), ...)): number} of a scrape."""
        status, _, body = self.get("/metrics")
        assert status == 200, (status, body[:200])
        out = {}
        for line in body.decode("utf-8").splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = re.match(r"([a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)$", line).groups()
            pairs = tuple(re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            assert (name, pairs) not in out, "twice: " + line
            out[(name, pairs)] = float(value)
        return out

    def sum(self, name, **labels):
        """Adds up a metric over the series that have these labels. A name that is no metric's is a mistake, not 0."""
        assert name in metric_names(), "there is no metric %s" % name
        return sum(v for (n, pairs), v in self.metrics().items()
                   if n == name and all(dict(pairs).get(k) == w for k, w in labels.items()))

    def targets(self):
        """[{label: value}] of sag_target_state."""
        return [dict(pairs) for (n, pairs) in self.metrics() if n == "sag_target_state"]


def config(endpoint, **kw):
    values = dict(DEFAULTS, endpoint=endpoint, **kw)
    if "%" in values["policy_in_flight"]:
        values["policy_in_flight"] = '"%s"' % values["policy_in_flight"]  # a share is a string, a number is none
    return CONFIG.format(**values)


class Skip(Exception):
    """A test that cannot run here; the text says what it needs."""


@contextlib.contextmanager
def world(build):
    """A folder for one test and a list of processes that are ended after it, whatever happens."""
    processes = []
    with tempfile.TemporaryDirectory(prefix="sagpin-test-") as work:
        try:
            yield work, processes
        except BaseException:
            for p in processes:
                sys.stderr.write("---- the end of %s.log\n%s\n" % (p.name, p.text()[-4000:]))
            raise
        finally:
            for p in reversed(processes):
                if p.is_running():
                    p.stop()


def run(tests, build=None):
    """Runs the functions named test_*, prints one line each, exits 1 when one failed, else 77 when one was skipped."""
    import traceback
    build = os.path.abspath(build or sys.argv[1])
    only = sys.argv[2:]
    failed, skipped = 0, []
    for name, function in sorted(tests.items()):
        if not name.startswith("test_") or (only and name not in only):
            continue
        started = time.monotonic()
        try:
            function(build)
            print("ok   %s (%.1fs)" % (name, time.monotonic() - started), flush=True)
        except Skip as why:
            skipped.append("%s: %s" % (name, why))
            print("skip %s" % skipped[-1], flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            print("FAIL %s" % name, flush=True)
    if skipped and not failed:
        print("; ".join(skipped))
    sys.exit(1 if failed else 77 if skipped else 0)
