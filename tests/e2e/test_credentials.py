"""Credentials that change while the daemon runs: from a metadata server, a credentials URL, STS and a file.

The simulator knows which keys are good at a time; the givers of keys are small servers of this file.
"""
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from harness import Daemon, KEY_ID, KEY_SECRET, Simulator, config, run, wait_for, world  # noqa: E402

TOKEN = "metadata-token-never-to-be-seen"
ROLE = "sagpin-role"
KEY_PATH = "/latest/meta-data/ram/security-credentials/"
OBSERVE = dict(mode="observe", poll_interval="500ms")
NO_KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "",
          "http_proxy": "http://127.0.0.1:1/", "https_proxy": "http://127.0.0.1:1/"}  # nothing here may go by a proxy


class Givers(http.server.ThreadingHTTPServer):
    """Metadata service, credentials URL and STS in one. `key` is what it gives: (id, secret, token, seconds to live)."""

    daemon_threads = True

    def __init__(self):
        self.name, self.seen, self.key, self.status = "givers", [], None, 200
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/" % self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def fields(self):
        key, secret, token, life_s = self.key
        return {"AccessKeyId": key, "AccessKeySecret": secret, "SecurityToken": token,
                "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + life_s))}

    def text(self):
        return "\n".join("%s %s" % (method, path) for method, path, _, _ in self.seen)

    def is_running(self):
        return self.thread.is_alive()

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join(10)


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        givers = self.server
        givers.seen.append((self.command, self.path, dict(self.headers), body))
        if givers.status != 200:
            return self.answer(givers.status, "no")
        if self.command == "PUT":
            ttl = self.headers["X-aliyun-ecs-metadata-token-ttl-seconds"]
            return self.answer(200 if self.path == "/latest/api/token" and 1 <= int(ttl) <= 21600 else 400, TOKEN)
        if self.path.startswith(KEY_PATH):
            if self.headers["X-aliyun-ecs-metadata-token"] != TOKEN:
                return self.answer(403, "Forbidden")
            role = self.path[len(KEY_PATH):]
            if role not in ("", ROLE):
                return self.answer(404, "Not Found")
            return self.answer(200, json.dumps({"Code": "Success", **givers.fields()}) if role else ROLE)
        if self.path.startswith("/keys"):
            return self.answer(200, json.dumps({"Code": "Success", **givers.fields()}))
        if self.command == "POST":
            return self.answer(200, json.dumps({"RequestId": "R-1", "Credentials": givers.fields()}))
        return self.answer(404, "Not Found")

    do_GET = do_PUT = do_POST = serve


def with_source(text, source):
    assert 'source = "env";' in text
    return text.replace('source = "env";', source)


def signers(simulator, since=0):
    """Which keys signed the requests after that many, in order, each once; and how many requests there are."""
    requests = simulator.requests()["requests"]
    keys = []
    for r in requests[since:]:
        if r["access_key_id"] not in keys:
            keys.append(r["access_key_id"])
    return keys, len(requests)


def refused(simulator):
    return [r for r in simulator.requests()["requests"] if r["code"] != "OK"]


def expect_no_secrets(daemon, givers, *secrets):
    shown = daemon.text() + daemon.get("/metrics")[2].decode()
    for secret in (TOKEN,) + secrets:
        assert secret not in shown, secret


def start(build, work, processes, source, sim_args=(), env=None, **kw):
    """(simulator that knows the temporary key A, givers that give it, configuration's text)"""
    simulator = Simulator(build, work, "--access-key-id=STS.A", "--access-key-secret=secret-of-A", "--security-token=token-of-A", *sim_args)
    givers = Givers()
    processes += [simulator, givers]
    givers.key = ("STS.A", "secret-of-A", "token-of-A", 6)
    text = with_source(config(simulator.endpoint, **{**OBSERVE, **kw}), source.format(url=givers.url))
    daemon = Daemon(build, work, text, env={**NO_KEY, **(env or {})})
    processes.append(daemon)
    return simulator, givers, daemon


def rotate(simulator, givers, daemon):
    """From A to B, both good for a while, then B alone: not one refused call."""
    wait_for("a listing with the first key", lambda: daemon.sum("sagpin_up") == 1)
    assert daemon.sum("sagpin_credentials_valid") == 1
    first_expiry = daemon.sum("sagpin_credentials_expiry_timestamp_seconds")
    assert time.time() < first_expiry < time.time() + 10, first_expiry
    simulator.ask("key", {"id": "STS.B", "secret": "secret-of-B", "token": "token-of-B"})
    givers.key = ("STS.B", "secret-of-B", "token-of-B", 3600)
    wait_for("calls signed with B", lambda: "STS.B" in signers(simulator)[0])
    assert daemon.sum("sagpin_credentials_expiry_timestamp_seconds") > time.time() + 3000
    simulator.ask("key", {"id": "STS.B", "secret": "secret-of-B", "token": "token-of-B", "only": True})
    mark = signers(simulator)[1]
    wait_for("calls after the rotation", lambda: signers(simulator)[1] > mark + 3)
    assert signers(simulator, mark)[0] == ["STS.B"]
    assert refused(simulator) == []
    assert daemon.sum("sagpin_credentials_valid") == 1 and daemon.sum("sagpin_up") == 1
    expect_no_secrets(daemon, givers, "secret-of-", "token-of-")


def test_the_role_of_the_machine_rotates(build):
    with world(build) as (work, processes):
        simulator, givers, daemon = start(build, work, processes, 'source = "ecs_ram_role"; metadata_endpoint = "{url}";')
        rotate(simulator, givers, daemon)
        paths = [(method, path) for method, path, _, _ in givers.seen]
        assert paths[:3] == [("PUT", "/latest/api/token"), ("GET", KEY_PATH), ("GET", KEY_PATH + ROLE)], paths
        assert len(re.findall("new temporary credentials", daemon.text())) >= 2


def test_upgrades_go_on_through_rotations(build):
    """Keys that live for 4 s, a rollout that takes longer: every call is signed with a key that is good."""
    with world(build) as (work, processes):
        simulator, givers, daemon = start(build, work, processes, 'source = "uri"; uri = "{url}keys?password=hunter2";',
                                          ("--upgrade-time=1s",), mode="enforce", poll_interval="2s", max_in_flight=5)
        for i in range(3):
            key = ("STS.%d" % i, "secret-of-%d" % i, "token-of-%d" % i)
            simulator.ask("key", dict(zip(("id", "secret", "token"), key)))
            givers.key = key + (4,)
            wait_for("calls signed with key %d" % i, lambda: key[0] in signers(simulator)[0])
            simulator.ask("key", {**dict(zip(("id", "secret", "token"), key)), "only": True})
            mark = signers(simulator)[1]
            wait_for("more calls with it", lambda: signers(simulator)[1] > mark + 3)
        wait_for("upgrades, after settling", lambda: daemon.sum("sagpin_upgrades_succeeded_total") > 5)
        assert daemon.sum("sagpin_upgrades_failed_total") == 0
        assert "hunter2" not in daemon.text() and "secret-of" not in daemon.text()


def test_an_expired_key_is_not_used_and_all_recovers(build):
    with world(build) as (work, processes):
        simulator, givers, daemon = start(build, work, processes, 'source = "ecs_ram_role"; role_name = "%s"; metadata_endpoint = "{url}";' % ROLE)
        wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1)
        givers.status = 500
        wait_for("the failure to be told", lambda: re.search(r"no new credentials.*HTTP 500", daemon.text()))
        assert daemon.sum("sagpin_credentials_valid") == 1
        wait_for("the expiry to be told", lambda: "the credentials have expired" in daemon.text())
        assert daemon.sum("sagpin_credentials_valid") == 0
        mark = signers(simulator)[1]
        wait_for("listings that fail for want of a key", lambda: daemon.sum("sagpin_up") == 0)
        errors = daemon.sum("sagpin_api_errors_total", **{"class": "account"})
        wait_for("more of them", lambda: daemon.sum("sagpin_api_errors_total", **{"class": "account"}) > errors)
        assert signers(simulator)[1] == mark, "a call was signed with an expired key"
        assert daemon.get("/-/healthy")[0] == 200
        givers.status = 200
        givers.key = ("STS.A", "secret-of-A", "token-of-A", 3600)
        wait_for("recovery", lambda: daemon.sum("sagpin_up") == 1 and daemon.sum("sagpin_credentials_valid") == 1, 90)
        assert "credentials recovered" in daemon.text()
        assert daemon.text().count("no new credentials") == 1, "each repeated failure is told"
        expect_no_secrets(daemon, givers, "secret-of-", "token-of-")


def test_the_daemon_starts_before_who_gives_the_keys(build):
    with world(build) as (work, processes):
        simulator = Simulator(build, work, "--access-key-id=STS.A", "--access-key-secret=secret-of-A", "--security-token=token-of-A")
        givers = Givers()
        processes += [simulator, givers]
        givers.status, givers.key = 503, ("STS.A", "secret-of-A", "token-of-A", 3600)
        daemon = Daemon(build, work, with_source(config(simulator.endpoint, **OBSERVE), 'source = "uri"; uri = "%skeys";' % givers.url), env=NO_KEY)
        processes.append(daemon)
        wait_for("the failure to be told", lambda: re.search(r"no new credentials.*HTTP 503", daemon.text()))
        assert daemon.sum("sagpin_credentials_valid") == 0
        assert not [n for (n, _) in daemon.metrics() if n == "sagpin_credentials_expiry_timestamp_seconds"]
        givers.status = 200
        wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1, 90)


def test_a_pod_takes_its_role(build):
    with world(build) as (work, processes):
        token_file = os.path.join(work, "token")
        with open(token_file, "w", encoding="utf-8") as f:
            f.write("first-oidc-token\n")
        env = {"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
               "ALIBABA_CLOUD_OIDC_TOKEN_FILE": token_file}
        simulator, givers, daemon = start(build, work, processes, 'source = "oidc"; sts_endpoint = "{url}";', env=env)
        wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1)
        with open(token_file, "w", encoding="utf-8") as f:
            f.write("second-oidc-token\n")
        rotate(simulator, givers, daemon)
        posts = [(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query), urllib.parse.parse_qs(body)) for method, path, _, body in givers.seen if method == "POST"]
        assert all(q["Action"] == ["AssumeRoleWithOIDC"] and b["RoleArn"] == ["acs:ram::1:role/r"] for q, b in posts), posts
        tokens = [b["OIDCToken"][0] for _, b in posts]
        assert tokens[0] == "first-oidc-token" and tokens[-1] == "second-oidc-token", tokens
        assert "oidc-token" not in daemon.text()


def test_a_role_is_assumed(build):
    with world(build) as (work, processes):
        env = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI.base", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "base-secret"}
        simulator, givers, daemon = start(build, work, processes,
                                          'source = "assume_role"; role_arn = "acs:ram::1:role/r"; session_name = "me"; duration = "30m"; sts_endpoint = "{url}";', env=env)
        rotate(simulator, givers, daemon)
        _, path, headers, _ = givers.seen[0]
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        assert query == {"RoleArn": ["acs:ram::1:role/r"], "RoleSessionName": ["me"], "DurationSeconds": ["1800"]}, query
        lower = {k.lower(): v for k, v in headers.items()}
        assert lower["x-acs-action"] == "AssumeRole" and "Credential=LTAI.base," in lower["authorization"], headers
        assert "base-secret" not in daemon.text()


INI = "[default]\ntype = access_key\naccess_key_id = %s\naccess_key_secret = %s\n"


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


def test_a_changed_file_is_read_again(build):
    with world(build) as (work, processes):
        path = os.path.join(work, "credentials.ini")
        write(path, INI % (KEY_ID, KEY_SECRET))
        simulator = Simulator(build, work)
        processes.append(simulator)
        daemon = Daemon(build, work, with_source(config(simulator.endpoint, **OBSERVE), 'source = "file"; path = "credentials.ini";'), env=NO_KEY)
        processes.append(daemon)
        wait_for("a listing", lambda: daemon.sum("sagpin_up") == 1)
        assert not [n for (n, _) in daemon.metrics() if n == "sagpin_credentials_expiry_timestamp_seconds"]
        write(path, "[default]\ntype = access_key\n")  # a bad file: the key of before stays
        wait_for("the bad file to be told", lambda: re.search(r"no new credentials.*access_key_id", daemon.text()), 30)
        assert daemon.sum("sagpin_credentials_valid") == 1 and daemon.sum("sagpin_up") == 1
        simulator.ask("key", {"id": "LTAI.new", "secret": "new-secret"})
        write(path, INI % ("LTAI.new", "new-secret"))
        wait_for("calls signed with the new key", lambda: "LTAI.new" in signers(simulator)[0], 30)
        assert "credentials recovered" in daemon.text()
        simulator.ask("key", {"id": "LTAI.newer", "secret": "newer-secret", "only": True})  # revoked before the file is changed
        wait_for("the refusal", lambda: daemon.sum("sagpin_credentials_valid") == 0, 30)
        write(path, INI % ("LTAI.newer", "newer-secret"))
        wait_for("the next key to be taken", lambda: daemon.sum("sagpin_credentials_valid") == 1, 30)
        assert "the credentials file has changed" in daemon.text() and "the account is accepted again" in daemon.text()
        assert "new-secret" not in daemon.text() and "newer-secret" not in daemon.text()


def test_what_is_missing_at_the_start(build):
    cases = {'source = "oidc";': "ALIBABA_CLOUD_ROLE_ARN", 'source = "uri";': "ALIBABA_CLOUD_CREDENTIALS_URI",
             'source = "assume_role"; role_arn = "acs:ram::1:role/r";': "ALIBABA_CLOUD_ACCESS_KEY_ID",
             'source = "file"; path = "/nowhere";': "/nowhere"}
    with world(build) as (work, _):
        for source, says in cases.items():
            daemon = Daemon(build, work, with_source(config("http://127.0.0.1:9/", **OBSERVE), source), env=NO_KEY, is_ready=False)
            assert daemon.child.wait(20) == 1, source
            assert says in daemon.text(), (source, daemon.text())


if __name__ == "__main__":
    run(globals())
