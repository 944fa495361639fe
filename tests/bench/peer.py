"""What people write in Python: one signed call an instance over http.client, and prometheus_client for the exposition.

usage: peer.py calls URL <instances      one DescribeSmartAccessGatewayAttribute call an instance, prints CPU as JSON
       peer.py scrape TARGETS            an exposition of ten series a target, prints bytes and CPU as JSON
"""
import gzip
import hashlib
import hmac
import http.client
import json
import os
import secrets
import sys
import time
import urllib.parse

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

ALGORITHM = "ACS3-HMAC-SHA256"
EMPTY = hashlib.sha256(b"").hexdigest()
LABELS = ["account", "region_id", "instance_id", "serial_number", "version_type"]


def sign(host, action, query):
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": secrets.token_hex(16),
        "x-acs-version": "2018-03-13",
    }
    names = ";".join(sorted(headers))
    canonical = "\n".join(["POST", "/", query, "".join("%s:%s\n" % h for h in sorted(headers.items())), names, EMPTY])
    text = ALGORITHM + "\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"].encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = "%s Credential=%s,SignedHeaders=%s,Signature=%s" % (
        ALGORITHM, os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"], names, signature)
    headers["Accept"] = "application/json"
    return headers


class Metrics:
    """Ten series a target, with the labels that sagpin has."""

    def __init__(self):
        self.registry = CollectorRegistry()
        new = lambda kind, name, *more: kind(name, "Help.", LABELS + list(more), registry=self.registry)  # noqa: E731
        self.version = new(Gauge, "sag_version_info", "version")
        self.desired = new(Gauge, "sag_desired_version_info", "version")
        self.state = new(Gauge, "sag_target_state", "phase", "reason")
        self.gauges = [new(Gauge, name) for name in (
            "sag_version_behind", "sag_version_ahead", "sag_version_drift_since_timestamp_seconds",
            "sag_target_state_since_timestamp_seconds", "sag_upgrade_in_progress")]
        self.counters = [new(Counter, name) for name in ("sag_upgrade_attempts_total", "sag_upgrade_failures_total")]

    def set(self, instance, serial, version):
        target = ("test", "cn-shanghai", instance, serial, "Device")
        is_behind = tuple(map(int, version.split("."))) < (3, 4, 2)
        self.version.labels(*target, version).set(1)
        self.desired.labels(*target, "3.4.2").set(1)
        self.state.labels(*target, *(("waiting", "observe_mode") if is_behind else ("in_sync", "none"))).set(1)
        for gauge, value in zip(self.gauges, (is_behind, not is_behind, time.time(), time.time(), 0)):
            gauge.labels(*target).set(value)
        for counter in self.counters:
            counter.labels(*target)


def calls(url):
    instances = sys.stdin.read().split()
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    metrics = Metrics()
    cpu, wall = time.process_time(), time.perf_counter()
    for instance in instances:
        query = urllib.parse.urlencode(sorted({"RegionId": "cn-shanghai", "SmartAGId": instance}.items()), quote_via=urllib.parse.quote)
        connection.request("POST", "/?" + query, headers=sign(parts.netloc, "DescribeSmartAccessGatewayAttribute", query))
        answer = connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            sys.exit("HTTP %d: %s" % (answer.status, body))
        for device in body["Devices"]["Device"]:
            metrics.set(instance, device["SerialNumber"], device["SoftwareVersion"])
    print(json.dumps({"calls": len(instances), "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}))


def scrape(targets):
    metrics = Metrics()
    for i in range(targets):
        metrics.set("sag-%018d" % i, "sag23%07da" % i, "3.3.7")
    plain, packed = [], []
    for _ in range(3):
        cpu = time.process_time()
        body = generate_latest(metrics.registry)
        plain.append(time.process_time() - cpu)
        gzip.compress(body)  # as prometheus_client's own server does
        packed.append(time.process_time() - cpu)
    print(json.dumps({"bytes": len(body), "series": 10 * targets, "plain_s": sorted(plain)[1], "gzip_s": sorted(packed)[1]}))


if sys.argv[1] == "calls":
    calls(sys.argv[2])
else:
    scrape(int(sys.argv[2]))
