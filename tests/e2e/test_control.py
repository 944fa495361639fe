"""The control socket of the real daemon and the commands that use it: who gets in, what is refused and in which words."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, Simulator, Skip, config, run, wait_for, world  # noqa: E402

OBSERVE = dict(mode="observe", poll_interval="1h")
NOWHERE = "http://127.0.0.1:9/"
COMMANDS = ("pause", "resume", "approve", "hold", "release", "retry", "upgrade-now")


def sagpin(build, *args, **kw):
    return subprocess.run([os.path.join(build, "daemon/sagpin")] + list(args), capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **kw)


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path, url, value=None, method=None):
    """(status, value) of a request over a control socket."""
    connection = Connection(path)
    body = value if value is None or isinstance(value, (bytes, str)) else json.dumps(value)
    try:
        connection.request(method or ("GET" if value is None else "POST"), url, body)
    except BrokenPipeError:
        pass  # refused before all of it was sent; why is there to be read
    answer = connection.getresponse()
    text = answer.read()
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["Sagpin-Version"], answer.headers
    connection.close()
    return answer.status, json.loads(text)


def test_help(build):
    for name in COMMANDS:
        done = sagpin(build, name, "--help")
        assert done.returncode == 0 and not done.stderr and "sagpin %s [OPTIONS]" % name in done.stdout, done
        for option in ("why", "control.socket", "config.file", "json", "help"):
            assert re.search(r"^  --%s\b" % re.escape(option), done.stdout, re.M), (name, option)
        assert ("--all" in done.stdout) == (name in ("pause", "resume")), name
        assert ("--count" in done.stdout) == (name == "approve"), name
        assert ("--instance" in done.stdout) == (name not in ("pause", "resume", "approve")), name
        assert re.search(r"^  %s \[OPTIONS\]" % name, sagpin(build, "--help").stdout, re.M), name
        assert all(len(line) <= 100 for line in done.stdout.splitlines()), done.stdout


# arguments -> what stderr says; each ends with 1, without a daemon
REFUSED = (
    (["pause"], r"--why is missing"),
    (["pause", "--all"], r"--why is missing"),
    (["hold", "--instance=x", "--why"], r"--why needs a value"),
    (["pause", "--al"], r"unknown option --al"),
    (["pause", "--count=5", "--why=x"], r"unknown option --count"),
    (["hold", "--all", "--why=x"], r"unknown option --all"),
    (["pause", "--all=yes", "--why=x"], r"--all takes no value"),
    (["pause", "everything", "--why=x"], r"takes no argument everything"),
    (["approve", "--count=", "--why=x"], r"--count= is no number"),
    (["approve", "--count=-5", "--why=x"], r"--count=-5 is no number"),
    (["approve", "--count=all", "--why=x"], r"--count=all is no number"),
    (["approve", "--count=5000000000", "--why=x"], r"--count=5000000000 is no number"),
    (["pause", "--config.file=/does/not/exist.cfg", "--why=x"], r"/does/not/exist\.cfg"),
)


def test_arguments_that_are_refused(build):
    for arguments, what in REFUSED:
        done = sagpin(build, *arguments)
        assert done.returncode == 1 and not done.stdout and re.search(what, done.stderr), (arguments, done)
        assert len(done.stderr.splitlines()) == 1 or "config.file" in arguments[1], done


def pause(build, path, *args, **kw):
    return sagpin(build, "pause", "--all", "--why=a test", "--control.socket=" + path, *args, **kw)


def test_no_daemon(build):
    with world(build) as (work, processes):
        path = os.path.join(work, "s")
        for missing in (path, os.path.join(work, "no/s")):
            done = pause(build, missing)
            assert done.returncode == 1 and "no sagpin listens at %s; is it running?" % missing in done.stderr, done
        daemon = Daemon(build, work, config(NOWHERE, **OBSERVE))
        processes.append(daemon)
        daemon.stop(signal.SIGKILL)
        assert stat.S_ISSOCK(os.stat(daemon.socket).st_mode)
        done = pause(build, daemon.socket)
        assert done.returncode == 1 and "is it running?" in done.stderr, done
        done = pause(build, "/tmp/" + "x" * 200)
        assert done.returncode == 1 and "too long" in done.stderr, done


def test_no_permission(build):
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")
    with world(build) as (work, processes):
        daemon = Daemon(build, work, config(NOWHERE, **OBSERVE))
        processes.append(daemon)
        os.chmod(work, 0o755)
        assert stat.S_IMODE(os.stat(daemon.socket).st_mode) == 0o660
        binary = os.path.join(work, "sagpin")
        shutil.copy(os.path.join(build, "daemon/sagpin"), binary)
        command = [binary, "pause", "--all", "--why=x", "--control.socket=" + daemon.socket]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, user=65534, group=65534, extra_groups=[])
        assert done.returncode == 1 and "no permission to use %s; you need to be in the group" % daemon.socket in done.stderr, done
        os.chown(daemon.socket, -1, 4242)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, user=65534, group=65534, extra_groups=[4242])
        assert "permission" not in done.stderr, done  # whatever the daemon thinks of it, it was heard


class Impostor:
    """Listens on a UNIX socket and answers every request with the same bytes, then closes."""

    def __init__(self, path, answer):
        self.answer, self.server = answer, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(path)
        self.server.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            client.recv(65536)
            client.sendall(self.answer)
            client.close()


def http_answer(status, body, version="9.9.9"):
    head = "HTTP/1.1 %s\r\nContent-Length: %d\r\n" % (status, len(body)) + ("Sagpin-Version: %s\r\n" % version if version else "")
    return (head + "\r\n" + body).encode()


# what answers -> status, what is said
IMPOSTORS = (
    (b"", 1, r"does not answer as a sagpin does"),
    (b"SSH-2.0-OpenSSH\r\n", 1, r"does not answer as a sagpin does"),
    (http_answer("200 OK", "{}", version=None), 1, r"does not answer as a sagpin does"),
    (http_answer("404 Not Found", '{"error":"there is no such path","next":"look"}'), 1,
     r"(?s)no such path.*next: look.*note: the daemon is sagpin 9\.9\.9, this command is"),
    (http_answer("500 Oops", "<html>"), 1, r"HTTP status 500"),
    (http_answer("200 OK", '{"outcome":"done"}'), 1, r"not known whether it is stored"),
    (http_answer("200 OK", "[1"), 1, r"not known whether it is stored"),
    (http_answer("200 OK", '{"outcome":"done","durable":false,"warning":"it holds now","next":"look"}'), 1, r"(?s)it holds now.*next: look"),
    (http_answer("200 OK", '{"outcome":"already","count":0,"durable":true}'), 0, r"^$"),
)


def test_what_is_no_daemon_or_another(build):
    for i, (answer, status, what) in enumerate(IMPOSTORS):
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "s")
            impostor = Impostor(path, answer)
            for arguments in ([], ["--json"]):
                done = pause(build, path, *arguments)
                assert done.returncode == status and re.search(what, done.stderr), (i, done)
            impostor.server.close()
    assert done.stdout.strip() == '{"outcome":"already","count":0,"durable":true}', done


def test_two_daemons(build):
    with world(build) as (work, processes):
        first = Daemon(build, work, config(NOWHERE, **OBSERVE))
        processes.append(first)
        second = Daemon(build, work, config(NOWHERE, **OBSERVE), "--control.socket=" + first.socket, name="second", is_ready=False)
        processes.append(second)
        assert second.child.wait(20) == 1, second.text()
        assert re.search(r"another sagpin runs and listens there; stop it", second.text()), second.text()
        assert ask(first.socket, "/v1/status")[0] == 200
        first.stop(signal.SIGKILL)
        third = Daemon(build, work, config(NOWHERE, **OBSERVE), "--control.socket=" + first.socket, name="third")
        processes.append(third)
        assert ask(first.socket, "/v1/status")[0] == 200
        os.unlink(first.socket)
        fourth = Daemon(build, work, config(NOWHERE, **OBSERVE), "--control.socket=" + first.socket, name="fourth")
        processes.append(fourth)
        assert third.stop() == 0
        assert ask(first.socket, "/v1/status")[0] == 200, "the third took the socket of the fourth away"
        assert fourth.stop() == 0
        assert not os.path.exists(first.socket)


def test_places_that_are_refused(build):
    with world(build) as (work, processes):
        with open(os.path.join(work, "file"), "w", encoding="utf-8") as f:
            f.write("precious")
        cases = (("no/s", r"folder does not exist; create it"), ("file", r"something else is there"), ("file/s", r"folder cannot be opened"),
                 ("x" * 120, r"at most 107 bytes"), ("", r"want the path of a file"))
        for i, (path, what) in enumerate(cases):
            daemon = Daemon(build, work, config(NOWHERE, **OBSERVE), "--control.socket=" + os.path.join(work, path), name="d%d" % i, is_ready=False)
            processes.append(daemon)
            assert daemon.child.wait(20) == 1 and re.search(what, daemon.text()), (path, daemon.text())
        with open(os.path.join(work, "file"), encoding="utf-8") as f:
            assert f.read() == "precious"


def test_without_a_socket(build):
    with world(build) as (work, processes):
        daemon = Daemon(build, work, config(NOWHERE, **OBSERVE), "--control.socket=")
        processes.append(daemon)
        assert daemon.get("/-/healthy")[0] == 200 and not os.path.exists(daemon.socket) and "control" not in daemon.text()
        assert daemon.stop() == 0


def test_views(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, instances=40)
        processes.append(simulator)
        daemon = Daemon(build, work, config(simulator.endpoint, **OBSERVE))
        processes.append(daemon)
        wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1)
        status, value = ask(daemon.socket, "/v1/status")
        shown = daemon.targets()
        assert status == 200 and value["mode"] == "observe" and value["paused"] is False and value["in_flight"] == 0, value
        assert value["targets"] == len(shown) == sum(p["targets"] for p in value["phases"]), value
        for phase in {t["phase"] for t in shown}:
            assert sum(p["targets"] for p in value["phases"] if p["phase"] == phase) == sum(t["phase"] == phase for t in shown), (phase, value)
        for target in shown[:5]:
            status, value = ask(daemon.socket, "/v1/targets?instance=%s&serial_number=%s" % (target["instance_id"], target["serial_number"]))
            assert status == 200, value
            found = [t for t in value["targets"] if t["version_type"] == target["version_type"]]
            assert len(found) == 1 and all(found[0][k] == target[k] for k in ("account", "region_id", "instance_id", "serial_number", "phase")), value
        assert ask(daemon.socket, "/v1/targets?instance=sag-nowhere")[0] == 404
        assert set(ask(daemon.socket, "/v1/rollouts")[1]) == {"rollouts"}
        assert set(ask(daemon.socket, "/v1/approvals")[1]) == {"approvals"}


def test_requests_that_are_refused(build):
    with world(build) as (work, processes):
        daemon = Daemon(build, work, config(NOWHERE, **OBSERVE))
        processes.append(daemon)
        act = {"act": "pause", "all": True, "why": "x"}
        cases = (("/v1/acts", None, 405), ("/v1/status", act, 405), ("/", None, 404), ("/metrics", None, 404), ("/v1/targets", None, 400),
                 ("/v1/acts", "", 400), ("/v1/acts", b"\xff\x00", 400), ("/v1/acts", [act], 400), ("/v1/acts", dict(act, who="root"), 400),
                 ("/v1/acts", dict(act, why="x" * 501), 400), ("/v1/acts", dict(act, why="a\x1b[2Jb"), 400), ("/v1/acts", dict(act, all="yes"), 400),
                 ("/v1/acts", dict(act, policy="p" * 257), 400), ("/v1/acts", {"act": "pause"}, 400), ("/v1/acts", "[" * 65536, 400),
                 ("/v1/acts", " " * 65537, 413))
        for url, value, want in cases:
            status, answer = ask(daemon.socket, url, value, method="POST" if url == "/v1/acts" and value == "" else None)
            assert status == want and answer["error"] and answer["next"], (url, value, status, answer)
        done = sagpin(build, "pause", "--policy=" + "p" * 100000, "--why=x", "--control.socket=" + daemon.socket)
        assert done.returncode == 1 and "body is too large" in done.stderr, done.stderr[:500]
        for text in ("\x1b[2J", "two\nlines", "x" * 501, ""):
            done = sagpin(build, "pause", "--all", "--why=" + text, "--control.socket=" + daemon.socket)
            assert done.returncode == 1 and "\"why\"" in done.stderr and "next: " in done.stderr and "\x1b" not in done.stderr, done
        assert daemon.is_running() and daemon.get("/-/healthy")[0] == 200


def test_clients_that_say_nothing(build):
    """Idle and half-sent requests keep neither the daemon nor another operator, and end by themselves."""
    with world(build) as (work, processes):
        daemon = Daemon(build, work, config(NOWHERE, **OBSERVE))
        processes.append(daemon)
        clients = []
        for i in range(20):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.connect(daemon.socket)
            if i % 2:
                client.sendall(b"POST /v1/acts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            client.settimeout(30)
            clients.append(client)
        assert ask(daemon.socket, "/v1/status")[0] == 200 and daemon.get("/metrics")[0] == 200
        for client in clients:
            while client.recv(4096):
                pass
            client.close()
        assert ask(daemon.socket, "/v1/status")[0] == 200


if __name__ == "__main__":
    run(globals())
