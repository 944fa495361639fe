"""Gates: a policy that asks a Prometheus server before it starts anything. Debian's Prometheus, and servers that are none."""
import json
import os
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, config, get, run, wait_for, world  # noqa: E402
from test_prometheus import Prometheus  # noqa: E402

TARGETS = """
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
scrape_configs:
  - job_name: x
    file_sd_configs: [ { files: [ "%s" ], refresh_interval: 1s } ]
"""
NO_TARGETS = "global: { scrape_interval: 1s }"
DOWN = 'up{job=\\"x\\"} == 0'
EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}


def gate(url, query=DOWN, open_when="empty", rest="", timeout="1s"):
    return ('gate: { prometheus = "%s"; query = "%s"; open_when = "%s"; max_age = "1s"; timeout = "%s"; %s };' % (url, query, open_when, timeout, rest))


def begin(build, work, processes, policy, *args):
    simulator = Simulator(build, work, "--upgrade-time=500ms", instances=20)
    processes.append(simulator)
    daemon = Daemon(build, work, config(simulator.endpoint, deadline="3s", poll_interval="1s", policy=policy), *args)
    processes.append(daemon)
    return simulator, daemon


def accepted(simulator):
    return simulator.ask("state")["upgrades_accepted"]


def waiting(daemon, reason):
    return [t for t in daemon.targets() if t["phase"] == "waiting" and t["reason"] == reason]


def told(daemon, what):
    return len(re.findall(what, daemon.text()))


def wait_until_all_go_on(daemon, simulator):
    wait_for("no target to wait for its turn", lambda: accepted(simulator) > 5 and not [t for t in daemon.targets() if t["phase"] in ("upgrading", "verifying") or (
        t["phase"] == "waiting" and t["reason"] not in ("offline", "degraded"))])


class Server:
    """Does with each connection what `answer` says: None is silence, else it is sent and the connection closed."""

    def __init__(self, answer):
        self.name, self.answer, self.asked, self.lock = "server", answer, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.kept, self.is_open = [], True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while self.is_open:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.settimeout(5)
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        raise ConnectionError("gone")
                    data += more
                answer = self.answer
                if answer is None:
                    self.kept.append(connection)
                else:
                    connection.sendall(answer)
                    connection.close()
            except OSError:
                pass
            with self.lock:
                self.asked += 1

    def text(self):
        return "asked %d times" % self.asked

    def is_running(self):
        return self.is_open

    def stop(self):
        self.is_open = False
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def http(status, body, *headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ("\r\n".join(("HTTP/1.1 " + status, "Content-Length: %d" % len(body)) + headers) + "\r\n\r\n").encode() + body


def write_targets(path, targets):
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump([{"targets": targets}] if targets else [], f)
    os.rename(path + ".new", path)


def test_prometheus_closes_and_opens_a_gate(build):
    with world(build) as (work, processes):
        file = os.path.join(work, "targets.json")
        write_targets(file, ["127.0.0.1:1"])
        prometheus = Prometheus(work, TARGETS % file)
        processes.append(prometheus)
        wait_for("a target that is down", lambda: prometheus.query('up{job="x"} == 0'), 30)
        simulator, daemon = begin(build, work, processes, gate(prometheus.url))
        wait_for("targets to wait for the gate", lambda: len(waiting(daemon, "gate")) > 5)
        line = wait_for("the log to say so", lambda: re.search(r".*gate is closed, nothing starts.*", daemon.text()))[0]
        assert "policy=fast" in line and r'up{instance=\"127.0.0.1:1\",job=\"x\"}' in line, line

        # Not asked is closed, too: however long it is away.
        prometheus.stop()
        wait_for("the log to say so", lambda: told(daemon, "gate cannot be judged.*Connection refused"))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert accepted(simulator) == 0 and len(waiting(daemon, "gate")) > 5
            time.sleep(0.1)

        # A server without that target: nothing is down any more.
        processes.append(Prometheus(work, NO_TARGETS, name="prometheus2", port=prometheus.port))
        wait_until_all_go_on(daemon, simulator)
        assert told(daemon, "gate is open again, starts go on") == 1
        assert told(daemon, "gate is closed, nothing starts") == told(daemon, "gate cannot be judged") == 1, daemon.text()


def test_a_gate_that_misses_its_data_stays_closed(build):
    """`empty` alone would take no data for good news."""
    with world(build) as (work, processes):
        file = os.path.join(work, "targets.json")
        write_targets(file, [])
        prometheus = Prometheus(work, TARGETS % file)
        processes.append(prometheus)
        simulator, daemon = begin(build, work, processes, gate(prometheus.url, DOWN + ' or absent(up{job=\\"x\\"} == 1)'))
        wait_for("targets to wait for the gate", lambda: len(waiting(daemon, "gate")) > 5)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert accepted(simulator) == 0 and len(waiting(daemon, "gate")) > 5
            time.sleep(0.1)
        assert told(daemon, "gate is closed, nothing starts") == 1 and told(daemon, "gate cannot be judged") == 0, daemon.text()
        write_targets(file, ["127.0.0.1:%d" % prometheus.port])
        wait_until_all_go_on(daemon, simulator)


def test_a_gate_compares_samples(build):
    with world(build) as (work, processes):
        prometheus = Prometheus(work, NO_TARGETS)
        processes.append(prometheus)
        simulator, daemon = begin(build, work, processes, gate(prometheus.url, "vector(0.6)", "above", "value = 0.5;"), "--log.level=debug")
        wait_until_all_go_on(daemon, simulator)
        assert told(daemon, r"gate was asked.*gate=open why=\"all samples \(1\) are above gate.value") > 0
        assert told(daemon, "level=(info|warn).*gate") == 0


def test_a_bad_query_is_told_in_prometheus_words(build):
    with world(build) as (work, processes):
        prometheus = Prometheus(work, NO_TARGETS)
        processes.append(prometheus)
        simulator, daemon = begin(build, work, processes, gate(prometheus.url, "up{"))
        wait_for("targets to wait for the gate", lambda: len(waiting(daemon, "gate")) > 5)
        assert told(daemon, r"gate cannot be judged.*HTTP 400, bad_data: .*unexpected end of input inside braces; check gate.query") == 1
        assert accepted(simulator) == 0


def test_a_server_that_never_answers(build):
    with world(build) as (work, processes):
        server = Server(None)
        processes.append(server)
        simulator, daemon = begin(build, work, processes, gate(server.url, timeout="2s"))
        wait_for("the gate to be asked", lambda: server.asked)
        slowest, mark, end = 0, server.asked, time.monotonic() + 30
        while server.asked < mark + 2:  # at least one question under way all the time
            assert time.monotonic() < end, "it is not asked again"
            began = time.monotonic()
            assert get("http://%s/metrics" % daemon.address)[0] == 200
            slowest = max(slowest, time.monotonic() - began)
            assert accepted(simulator) == 0
        assert slowest < 1, slowest
        assert told(daemon, "gate cannot be judged.*no answer in time") == 1
        assert waiting(daemon, "gate")
        mark = server.asked
        wait_for("one more question", lambda: server.asked > mark)
        began = time.monotonic()
        assert daemon.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 1.5, "it waited for the answer"


def test_servers_that_answer_garbage(build):
    whole = json.dumps(EMPTY).encode()
    answers = [
        b"garbage\r\n", http("200 OK", b"<html>hello</html>"), b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + whole,
        http("302 Found", EMPTY, "Location: /there"), http("200 OK", dict(EMPTY, warnings=["a store is away"])),
        http("200 OK", b" " * 2000000 + whole), http("200 OK", b"[" * 900000), http("200 OK", b"{" + b"[]," * 40000), b"",
    ]
    with world(build) as (work, processes):
        server = Server(answers[0])
        processes.append(server)
        simulator, daemon = begin(build, work, processes, gate(server.url))
        for answer in answers:
            server.answer, mark = answer, server.asked
            wait_for("the gate to be asked: %r" % answer[:60], lambda: server.asked >= mark + 2)
            assert accepted(simulator) == 0, answer[:200]
        assert waiting(daemon, "gate")
        assert told(daemon, "gate cannot be judged") == 1, daemon.text()
        server.answer = http("200 OK", EMPTY)
        wait_until_all_go_on(daemon, simulator)
        assert told(daemon, "gate is open again") == 1


if __name__ == "__main__":
    run(globals())
