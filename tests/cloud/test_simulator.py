#!/usr/bin/env python3
"""The simulator over the wire: signed with a signer of this file, looked at as a client sees it.

Standard library only. Usage: test_simulator.py PATH_OF_SAGPIN_SIMULATOR [unittest arguments]
"""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree

BINARY = None
KEY_ID, KEY_SECRET = "LTAI5tSimulator", "simulator-secret-not-a-real-one"
UPGRADE = "UpdateSmartAccessGatewayVersion"
LIST = "DescribeSmartAccessGateways"
ATTRIBUTE = "DescribeSmartAccessGatewayAttribute"
REGION = "cn-shanghai"
WAIT_S = 30


def encode(text):
    return urllib.parse.quote(text, safe="-_.~")


def query_of(params):
    return "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(params.items()))


def now_text(offset_s=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


class Simulator:
    """One simulator process and a client for it. Every request takes a new connection unless told."""

    def __init__(self, *flags, tls=None):
        self.process = subprocess.Popen([BINARY, "--listen", "127.0.0.1:0", *flags],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening on https?://127\.0\.0\.1:(\d+)/\n", line)
        if match is None:
            raise RuntimeError(f"no address: {line!r} {self.process.communicate()}")
        self.port = int(match[1])
        self.host = f"127.0.0.1:{self.port}"
        self.tls = tls
        self.token = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            _, errors = self.process.communicate(timeout=WAIT_S)
        finally:
            self.process.kill()
        # A sanitizer or a crash shows here.
        if self.process.returncode != 0 or errors:
            raise AssertionError(f"the simulator ended with {self.process.returncode}: {errors}")

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=WAIT_S, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)

    def v3_headers(self, action, params, method="POST", body=b"", secret=KEY_SECRET, key_id=KEY_ID, **changed):
        headers = {"host": self.host, "x-acs-action": action, "x-acs-version": "2018-03-13",
                   "x-acs-date": now_text(), "x-acs-signature-nonce": uuid.uuid4().hex,
                   "x-acs-content-sha256": hashlib.sha256(body).hexdigest()}
        if self.token:
            headers["x-acs-security-token"] = self.token
        headers.update({k.replace("_", "-"): v for k, v in changed.items()})
        headers = {k: v for k, v in headers.items() if v is not None}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, "/", query_of(params), "".join(f"{k}:{headers[k]}\n" for k in sorted(headers)),
                               names, hashlib.sha256(body).hexdigest()])
        to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        mac = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={names},Signature={mac}"
        headers["Accept"] = "application/json"
        return headers

    def v2_params(self, action, params, method="POST", secret=KEY_SECRET, **changed):
        every = {"Format": "JSON", "Version": "2018-03-13", "AccessKeyId": KEY_ID, "SignatureMethod": "HMAC-SHA1",
                 "SignatureVersion": "1.0", "SignatureNonce": uuid.uuid4().hex, "Timestamp": now_text(),
                 "Action": action, **params}
        if self.token:
            every["SecurityToken"] = self.token
        every.update(changed)
        every = {k: v for k, v in every.items() if v is not None}
        to_sign = f"{method}&%2F&{encode(query_of(every))}"
        mac = hmac.new((secret + "&").encode(), to_sign.encode(), hashlib.sha1).digest()
        every["Signature"] = base64.b64encode(mac).decode()
        return every

    def send(self, method, path, headers=None, body=None, connection=None):
        one = connection or self.connect()
        try:
            one.request(method, path, body=body, headers=headers or {})
            response = one.getresponse()
            return response.status, response.read(), response
        finally:
            if connection is None:
                one.close()

    def raw(self, action, params=None, connection=None, **changed):
        params = {"RegionId": REGION, **(params or {})}
        headers = self.v3_headers(action, params, **changed)
        return self.send("POST", "/?" + query_of(params), headers, connection=connection)

    def call(self, action, params=None, connection=None, **changed):
        status, body, _ = self.raw(action, params, connection, **changed)
        return status, json.loads(body)

    def call_v2(self, action, params=None, method="POST", secret=KEY_SECRET, **changed):
        every = self.v2_params(action, {"RegionId": REGION, **(params or {})}, method, secret, **changed)
        status, body, _ = self.send(method, "/?" + query_of(every))
        return status, json.loads(body)

    def control(self, method, path, body=None, expected=200):
        data = None if body is None else json.dumps(body)
        status, text, _ = self.send(method, "/_sim/" + path, body=data)
        if status != expected:
            raise AssertionError(f"{method} {path}: {status} {text}")
        return json.loads(text)

    def faults(self, **settings):
        self.control("POST", "faults", {"clear": True, **settings})

    def instance(self, identity, **fields):
        self.control("POST", "instance", {"id": identity, **fields})

    def requests(self):
        return self.control("GET", "requests")["requests"]

    def attribute(self, identity):
        status, answer = self.call(ATTRIBUTE, {"SmartAGId": identity})
        if status != 200:
            raise AssertionError(answer)
        return answer

    def upgrade(self, identity, version, **params):
        status, answer = self.call(UPGRADE, {"SmartAGId": identity, "VersionCode": version, **params})
        return answer.get("Code", "OK") if status != 200 else "OK"

    def pages(self, size=50, **filters):
        page, entries, total = 1, [], 1
        while (page - 1) * size < total:
            status, answer = self.call(LIST, {"PageNumber": str(page), "PageSize": str(size), **filters})
            if status != 200:
                raise AssertionError(answer)
            total = answer["TotalCount"]
            entries += answer["SmartAccessGateways"]["SmartAccessGateway"]
            page += 1
        return entries, total


def until(condition, what):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"never: {what}")


class Shared(unittest.TestCase):
    """One simulator for all tests of a class; a test adds the instances that it needs."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.sim = Simulator(*cls.flags)
        cls.n = 0

    @classmethod
    def tearDownClass(cls):
        cls.sim.__exit__()

    def tearDown(self):
        self.sim.faults()

    def make(self, **fields):
        type(self).n += 1
        identity = f"sag-test-{type(self).__name__.lower()}-{self.n}"
        defaults = {"model": "sag-1000", "serial": f"sagx{self.n:05}", "version": "3.0.0", "dpi": "1.0.1"}
        self.sim.instance(identity, **{**defaults, **fields})
        return identity


class Signatures(Shared):
    def code(self, **changed):
        status, answer = self.sim.call(LIST, **changed)
        return answer.get("Code", status), status

    def test_v3_is_accepted(self):
        status, answer = self.sim.call(LIST, {"Name": "a b+c*~%/\u4e0a"})
        self.assertEqual((status, answer["TotalCount"]), (200, 0))
        self.assertRegex(answer["RequestId"], r"^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")

    def test_v3_refusals(self):
        rows = [
            (dict(secret="wrong"), "SignatureDoesNotMatch", 400),
            (dict(key_id="LTAIother"), "InvalidAccessKeyId.NotFound", 404),
            (dict(x_acs_date=None), "MissingTimestamp", 400),
            (dict(x_acs_version=None), "MissingVersion", 400),
            (dict(x_acs_signature_nonce=None), "MissingSignatureNonce", 400),
            (dict(x_acs_content_sha256=None), "IncompleteSignature", 400),
            (dict(x_acs_content_sha256="0" * 64), "SignatureDoesNotMatch", 400),
            (dict(x_acs_version="2018-03-14"), "InvalidVersion", 400),
            (dict(x_acs_date="2026-01-01 00:00:00"), "InvalidTimeStamp.Format", 400),
            (dict(x_acs_date="2026-02-30T00:00:00Z"), "InvalidTimeStamp.Format", 400),
            (dict(x_acs_date=now_text(-960)), "InvalidTimeStamp.Expired", 400),
            (dict(x_acs_date=now_text(960)), "InvalidTimeStamp.Expired", 400),
            (dict(x_acs_security_token="abc"), "InvalidSecurityToken.Malformed", 400),
            (dict(x_acs_signature_nonce="n" * 65), "InvalidParameter", 400),
        ]
        for changed, code, status in rows:
            with self.subTest(code=code, **changed):
                self.assertEqual(self.code(**changed), (code, status))
        self.assertEqual(self.code(x_acs_signature_nonce="n" * 64), (200, 200))
        self.assertEqual(self.code(x_acs_date=now_text(-840)), (200, 200))

    def test_v3_unsigned_header_is_refused(self):
        params = {"RegionId": REGION}
        headers = self.sim.v3_headers(LIST, params)
        headers["x-acs-extra"] = "not signed"
        _, body, _ = self.sim.send("POST", "/?" + query_of(params), headers)
        self.assertEqual(json.loads(body)["Code"], "IncompleteSignature")

    def test_v3_other_query_than_signed_is_refused(self):
        headers = self.sim.v3_headers(LIST, {"RegionId": REGION})
        _, body, _ = self.sim.send("POST", "/?RegionId=cn-hongkong", headers)
        self.assertEqual(json.loads(body)["Code"], "SignatureDoesNotMatch")

    def test_v3_form_body(self):
        body = query_of({"RegionId": REGION, "PageSize": "1"}).encode()
        headers = self.sim.v3_headers(LIST, {}, body=body)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, text, _ = self.sim.send("POST", "/", headers, body)
        self.assertEqual((status, json.loads(text)["PageSize"]), (200, 1))

    def test_v2_is_accepted(self):
        for method in ("POST", "GET"):
            self.assertEqual(self.sim.call_v2(LIST, {"Name": "a b+c*~%/\u4e0a"}, method)[0], 200)

    def test_v2_refusals(self):
        rows = [
            (dict(secret="wrong"), "SignatureDoesNotMatch"),
            (dict(AccessKeyId="LTAIother"), "InvalidAccessKeyId.NotFound"),
            (dict(AccessKeyId=None), "MissingAccessKeyId"),
            (dict(Timestamp=None), "MissingTimestamp"),
            (dict(Timestamp=now_text(-960)), "InvalidTimeStamp.Expired"),
            (dict(Timestamp="yesterday"), "InvalidTimeStamp.Format"),
            (dict(SignatureMethod="HMAC-SHA256"), "InvalidParameter"),
            (dict(SignatureVersion="2.0"), "InvalidParameter"),
            (dict(SignatureNonce=None), "MissingSignatureNonce"),
            (dict(Version="2014-05-26"), "InvalidVersion"),
            (dict(Version=None), "MissingVersion"),
            (dict(Format="YAML"), "InvalidParameter"),
            (dict(SecurityToken="abc"), "InvalidSecurityToken.Malformed"),
        ]
        for changed, code in rows:
            with self.subTest(code=code, **changed):
                self.assertEqual(self.sim.call_v2(LIST, **changed)[1].get("Code"), code)

    def test_v2_without_signature(self):
        params = self.sim.v2_params(LIST, {"RegionId": REGION})
        del params["Signature"]
        status, body, _ = self.sim.send("POST", "/?" + query_of(params))
        self.assertEqual((status, json.loads(body)["Code"]), (400, "IncompleteSignature"))

    def test_nonce_is_used_once(self):
        nonce = uuid.uuid4().hex
        self.assertEqual(self.code(x_acs_signature_nonce=nonce), (200, 200))
        self.assertEqual(self.code(x_acs_signature_nonce=nonce), ("SignatureNonceUsed", 400))
        self.assertEqual(self.sim.call_v2(LIST, SignatureNonce=nonce)[1]["Code"], "SignatureNonceUsed")

    def test_refused_request_burns_no_nonce(self):
        nonce = uuid.uuid4().hex
        self.assertEqual(self.code(x_acs_signature_nonce=nonce, secret="wrong")[0], "SignatureDoesNotMatch")
        self.assertEqual(self.code(x_acs_signature_nonce=nonce), (200, 200))

    def test_temporary_credentials(self):
        with Simulator("--security-token", "CAIS+a/b==") as sim:
            self.assertEqual(sim.call(LIST)[1]["Code"], "MissingSecurityToken")
            sim.token = "CAIS+a/b=="
            self.assertEqual(sim.call(LIST)[0], 200)
            self.assertEqual(sim.call_v2(LIST)[0], 200)
            sim.token = "other"
            self.assertEqual(sim.call(LIST)[1]["Code"], "InvalidSecurityToken.MismatchWithAccessKey")

    def test_keys_rotate(self):
        with Simulator() as sim:
            key = {"id": "STS.b", "secret": "secret of b", "token": "token of b"}
            self.assertEqual(sim.call(LIST, key_id="STS.b", secret="secret of b")[1]["Code"], "InvalidAccessKeyId.NotFound")
            sim.control("POST", "key", key)
            self.assertEqual(sim.call(LIST)[0], 200)
            self.assertEqual(sim.call(LIST, key_id="STS.b", secret="secret of b")[1]["Code"], "MissingSecurityToken")
            sim.token = "token of b"
            self.assertEqual(sim.call(LIST, key_id="STS.b", secret="secret of b")[0], 200)
            self.assertEqual(sim.call(LIST, key_id="STS.b")[1]["Code"], "SignatureDoesNotMatch")
            self.assertEqual(sim.requests()[-2]["access_key_id"], "STS.b")
            sim.control("POST", "key", {**key, "only": True})
            sim.token = None
            self.assertEqual(sim.call(LIST)[1]["Code"], "InvalidAccessKeyId.NotFound")
            for bad in ({}, {"id": "a"}, {"id": "", "secret": "b"}, {"id": "a", "secret": 1}, {"id": "a" * 200, "secret": "b"}):
                sim.control("POST", "key", bad, expected=400)

    def test_wrong_clock(self):
        self.sim.faults(wrong_clock="1:20m")
        status, body, response = self.sim.raw(LIST)
        self.assertEqual((status, json.loads(body)["Code"]), (400, "InvalidTimeStamp.Expired"))
        date = datetime.datetime.strptime(response.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
        ahead = date - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.assertAlmostEqual(ahead.total_seconds(), 1200, delta=10)
        self.assertEqual(self.code(), (200, 200))

    def test_limits(self):
        rows = [("GET", "/?a=" + "x" * 16384, None, 413), ("POST", "/", b"x" * 65537, 413)]
        for method, path, body, status in rows:
            self.assertEqual(self.sim.send(method, path, body=body)[0], status)
        self.assertNotEqual(self.sim.send("POST", "/", body=b"x" * 65536)[0], 413)
        self.assertEqual(self.sim.send("GET", "/", {f"x-{i}": "1" for i in range(65)})[0], 413)
        self.assertEqual(self.sim.send("PUT", "/")[0], 405)


class Formats(Shared):
    def test_error_answer(self):
        status, answer = self.sim.call("NoSuchAction")
        self.assertEqual(status, 404)
        self.assertEqual(sorted(answer), ["Code", "HostId", "Message", "Recommend", "RequestId"])
        self.assertEqual((answer["Code"], answer["HostId"]), ("InvalidAction.NotFound", self.sim.host))

    def test_xml(self):
        every = self.sim.v2_params(LIST, {"RegionId": REGION, "PageSize": "3"}, Format="XML")
        status, body, response = self.sim.send("POST", "/?" + query_of(every))
        root = ElementTree.fromstring(body)
        self.assertEqual((status, root.tag), (200, LIST + "Response"))
        self.assertEqual(len(root.findall("SmartAccessGateways/SmartAccessGateway/SmartAGId")), 3)
        self.assertTrue(response.headers["Content-Type"].startswith("text/xml"))

    def test_xml_error_and_escapes(self):
        headers = self.sim.v3_headers(LIST, {"RegionId": "a<&b>"})
        headers["Accept"] = "application/xml"
        status, body, _ = self.sim.send("POST", "/?" + query_of({"RegionId": "a<&b>"}), headers)
        root = ElementTree.fromstring(body)
        self.assertEqual((status, root.tag, root.findtext("Code")), (400, "Error", "InvalidParameter"))
        self.assertIn("a<&b>", root.findtext("Message"))

    def test_v3_without_json_accept_is_xml(self):
        for accept, mark in (("*/*", b"<"), ("application/json", b"{"), ("application/json,text/xml", b"{"),
                             ("text/xml,application/json", b"<")):
            headers = {**self.sim.v3_headers(LIST, {"RegionId": REGION}), "Accept": accept}
            _, body, _ = self.sim.send("POST", "/?RegionId=" + REGION, headers)
            self.assertEqual(body[:1], mark, accept)


class Parameters(Shared):
    def test_refusals(self):
        identity = self.make()
        named = {"SmartAGId": identity}
        rows = [
            (LIST, {"RegionId": None}, "MissingRegionId"),
            (LIST, {"RegionId": "cn-hongkong"}, "InvalidParameter"),
            (LIST, {"PageSize": "51"}, "InvalidParameter"),
            (LIST, {"PageSize": "0"}, "InvalidParameter"),
            (LIST, {"PageNumber": "0"}, "InvalidParameter"),
            (LIST, {"pagesize": "5"}, "InvalidParameter"),
            (LIST, {"Format": "JSON"}, "InvalidParameter"),
            (LIST, {"SmartAGIds.0": "a"}, "InvalidParameter"),
            (LIST, {"SmartAGIds.x": "a"}, "InvalidParameter"),
            (LIST, {"InstanceType": "cloud"}, "InvalidParameter"),
            (ATTRIBUTE, {}, "MissingSmartAGId"),
            (ATTRIBUTE, {"SmartAGId": "sag-none"}, "InvalidId.SMARTAG"),
            ("DescribeSAGDeviceInfo", named, "MissingSmartAGSn"),
            ("DescribeSAGDeviceInfo", {**named, "SmartAGSn": "other"}, "InvalidParameter"),
            ("DescribeSmartAccessGatewayVersions", {**named, "SmartAGSn": "x"}, "MissingVersionType"),
            (UPGRADE, named, "MissingVersionCode"),
            (UPGRADE, {**named, "VersionCode": "3.4.2", "VersionType": "device"}, "InvalidParameter"),
            (UPGRADE, {**named, "VersionCode": "3.4.2", "SerialNumber": "other"}, "InvalidParameter"),
            (UPGRADE, {**named, "VersionCode": "3.4.2", "DryRun": "true"}, "InvalidParameter"),
        ]
        for action, params, code in rows:
            with self.subTest(action=action, **params):
                params = {k: v for k, v in {"RegionId": REGION, **params}.items() if v is not None}
                headers = self.sim.v3_headers(action, params)
                _, body, _ = self.sim.send("POST", "/?" + query_of(params), headers)
                self.assertEqual(json.loads(body).get("Code"), code)

    def test_host_names_the_region(self):
        for host, code in (("smartag.cn-shanghai.aliyuncs.com", None),
                           ("smartag.cn-hongkong.aliyuncs.com", "InvalidParameter")):
            params = {"RegionId": REGION}
            headers = self.sim.v3_headers(LIST, params, host=host)
            _, body, _ = self.sim.send("POST", "/?" + query_of(params), headers)
            self.assertEqual(json.loads(body).get("Code"), code)

    def test_region_of_the_instance(self):
        with Simulator("--region", "cn-shanghai", "--region", "cn-hongkong", "--instances", "10") as sim:
            here, _ = sim.pages()
            there, total = sim.pages(RegionId="cn-hongkong")
            self.assertEqual((len(here), len(there), total), (5, 5, 5))
            status, answer = sim.call(ATTRIBUTE, {"SmartAGId": there[0]["SmartAGId"]})
            self.assertEqual((status, answer["Code"]), (403, "InvalidId.SMARTAG"))
            regions = sim.call("DescribeRegions")[1]["Regions"]["Region"]
            self.assertEqual([one["RegionEndpoint"] for one in regions],
                             ["smartag.cn-shanghai.aliyuncs.com", "smartag.cn-hongkong.aliyuncs.com"])


class Listing(Shared):
    flags = ("--instances", "137")

    def test_pages_cover_the_fleet(self):
        fleet = [one["id"] for one in self.sim.control("GET", "fleet")["instances"]]
        for size in (50, 7, 1):
            entries, total = self.sim.pages(size)
            self.assertEqual([entry["SmartAGId"] for entry in entries], fleet)
            self.assertEqual(total, 137)
        self.assertEqual(len(self.sim.call(LIST)[1]["SmartAccessGateways"]["SmartAccessGateway"]), 10)
        beyond = self.sim.call(LIST, {"PageNumber": "99"})[1]
        self.assertEqual((beyond["SmartAccessGateways"]["SmartAccessGateway"], beyond["TotalCount"]), ([], 137))

    def test_filters(self):
        entries, _ = self.sim.pages()
        for key, field in (("SmartAGId", "SmartAGId"), ("Name", "Name"), ("Status", "Status"),
                           ("ResourceGroupId", "ResourceGroupId"), ("HardwareType", "HardwareVersion")):
            value = entries[70][field]
            found, total = self.sim.pages(20, **{key: value})
            self.assertEqual(found, [entry for entry in entries if entry[field] == value], key)
            self.assertEqual(total, len(found))
        software, _ = self.sim.pages(InstanceType="software")
        hardware, _ = self.sim.pages(InstanceType="hardware")
        self.assertEqual({entry["HardwareVersion"] for entry in software}, {"sag-software"})
        self.assertEqual(len(software) + len(hardware), 137)
        ids = {"SmartAGIds.1": entries[3]["SmartAGId"], "SmartAGIds.10": entries[5]["SmartAGId"]}
        self.assertEqual(self.sim.pages(**ids)[0], [entries[3], entries[5]])

    def test_every_kind_is_there(self):
        entries, _ = self.sim.pages()
        pairs = [entry for entry in entries if "," in entry["SerialNumber"]]
        self.assertTrue(8 <= len(pairs) <= 16)
        self.assertEqual({entry["HardwareVersion"] for entry in pairs}, {"sag-1000"})
        self.assertTrue(all(entry["BackupSoftwareVersion"] and entry["BackupStatus"] for entry in pairs))
        self.assertLessEqual({"Active", "Offline", "Arrearage", "Ordered"}, {entry["Status"] for entry in entries})
        self.assertTrue(any(entry["AssociatedCcnId"] == "" for entry in entries))
        self.assertTrue(any(entry["SoftwareVersion"] == "3.5.0" for entry in entries))
        self.assertTrue(any(entry["SerialNumber"] == "" and entry["HardwareVersion"] != "sag-software"
                            for entry in entries))
        serials = [one for entry in entries for one in entry["SerialNumber"].split(",") if one]
        self.assertEqual(len(serials), len(set(serials)))

    def test_page_shift(self):
        fleet = [entry["SmartAGId"] for entry in self.sim.pages(10)[0]]
        seen = set()
        for _ in range(12):
            self.sim.faults(page_shift=1)
            entries, total = self.sim.pages(10)
            ids = [entry["SmartAGId"] for entry in entries]
            lost, twice = set(fleet) - set(ids), len(ids) - len(set(ids))
            self.assertEqual((len(lost), twice, total), (1, 0, 136) if lost else (0, 1, 138))
            seen.add(total)
        self.assertEqual(seen, {136, 138})
        self.assertEqual(self.sim.pages(10)[1], 137)

    def test_duplicate_ids(self):
        self.sim.faults(duplicate_ids=1)
        ids = [entry["SmartAGId"] for entry in self.sim.pages()[0]]
        self.assertEqual(ids[50], ids[49])

    def test_duplicate_serial_and_unknown_status(self):
        self.sim.faults(duplicate_serial="0.2", unknown_status="0.2")
        entries, _ = self.sim.pages()
        serials = [entry["SerialNumber"].split(",")[0] for entry in entries if entry["SerialNumber"]]
        self.assertGreater(len(serials), len(set(serials)))
        strange = [entry["SmartAGId"] for entry in entries if entry["Status"] == "Migrating"]
        self.assertTrue(strange)
        self.assertEqual(self.sim.attribute(strange[0])["Status"], "Migrating")
        self.assertEqual(self.sim.pages()[0], entries)


class Reads(Shared):
    def test_pair(self):
        identity = self.make(serial="saga", backup_serial="sagb", backup_version="2.1.0", backup_dpi="")
        answer = self.sim.attribute(identity)
        self.assertEqual((answer["SerialNumber"], answer["TrafficMasterSn"], answer["VpnStatus"]),
                         ("saga,sagb", "saga", "up"))
        devices = answer["Devices"]["Device"]
        self.assertEqual([(one["SerialNumber"], one["SoftwareVersion"], one["DpiSignatureDbVersion"], one["HaState"])
                          for one in devices],
                         [("saga", "3.0.0", "1.0.1", "Active"), ("sagb", "2.1.0", "", "Standby")])
        ha = self.sim.call("DescribeSmartAccessGatewayHa", {"SmartAGId": identity})[1]
        self.assertEqual((ha["DeviceLevelBackupState"], ha["MainDeviceId"], ha["BackupDeviceId"]),
                         ("ON", "saga", "sagb"))

    def test_device_info(self):
        for fields, state in (({}, "Normal"), ({"degraded": True}, "Abnormal"), ({"status": "Offline"}, "Abnormal")):
            identity = self.make(serial="sag-info", **fields)
            answer = self.sim.call("DescribeSAGDeviceInfo", {"SmartAGId": identity, "SmartAGSn": "sag-info"})[1]
            self.assertEqual((answer["Version"], answer["ControllerState"], answer["VpnState"]),
                             ("3.0.0", state, state))
            self.assertRegex(answer["StartupTime"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")

    def test_versions(self):
        identity = self.make(serial="sag-versions", dpi="")
        params = {"SmartAGId": identity, "SmartAGSn": "sag-versions", "VersionType": "Device"}
        versions = self.sim.call("DescribeSmartAccessGatewayVersions", params)[1]["SmartAGVersions"]["SmartAGVersion"]
        newest = max((one for one in versions if one["Type"] == "release"), key=lambda one: one["CreateTime"])
        self.assertEqual(newest["VersionCode"], "3.4.2")
        status, answer = self.sim.call("DescribeSmartAccessGatewayVersions", {**params, "VersionType": "Dpi"})
        self.assertEqual((status, answer["Code"]), (400, "VersionNotExist"))
        self.sim.control("POST", "catalogue", {"code": "3.6.0", "created_ms": newest["CreateTime"] + 1})
        versions = self.sim.call("DescribeSmartAccessGatewayVersions", params)[1]["SmartAGVersions"]["SmartAGVersion"]
        self.assertIn("3.6.0", [one["VersionCode"] for one in versions])


class Upgrades(Shared):
    flags = ("--upgrade-time", "600ms")

    def device(self, identity, index=0):
        return self.sim.attribute(identity)["Devices"]["Device"][index]

    def test_life(self):
        identity = self.make()
        self.assertEqual(self.sim.upgrade(identity, "3.4.2"), "OK")
        story = []

        def watch():
            answer = self.sim.attribute(identity)
            now = (answer["Status"], answer["VpnStatus"], answer["Devices"]["Device"][0]["SoftwareVersion"])
            if not story or story[-1] != now:
                story.append(now)
            return now[2] == "3.4.2"
        until(watch, "the new version")
        self.assertEqual(story, [("Active", "up", "3.0.0"), ("Offline", "down", "3.0.0"), ("Active", "up", "3.4.2")])

    def test_dpi_stays_online(self):
        identity = self.make()
        self.assertEqual(self.sim.upgrade(identity, "1.3.5", VersionType="Dpi"), "OK")
        seen = set()

        def watch():
            answer = self.sim.attribute(identity)
            seen.add(answer["Status"])
            return answer["Devices"]["Device"][0]["DpiSignatureDbVersion"] == "1.3.5"
        until(watch, "the new signature database")
        self.assertEqual(seen, {"Active"})
        self.assertEqual(self.device(identity)["SoftwareVersion"], "3.0.0")

    def test_pair(self):
        identity = self.make(serial="sag-m", backup_serial="sag-b", backup_version="3.0.0")

        def entry():
            return self.sim.pages(SmartAGId=identity)[0][0]
        self.assertEqual(self.sim.upgrade(identity, "3.4.2", SerialNumber="sag-b"), "OK")
        self.assertEqual(until(lambda: entry()["BackupStatus"] == "Offline" and entry(), "the backup goes")["Status"],
                         "Active")
        until(lambda: entry()["BackupSoftwareVersion"] == "3.4.2", "the backup is done")
        self.assertEqual(entry()["SoftwareVersion"], "3.0.0")
        self.assertEqual(self.sim.upgrade(identity, "3.4.2"), "OK")  # the main one, as no serial is given
        away = until(lambda: entry()["Status"] == "Offline" and self.sim.attribute(identity), "the main one goes")
        if away["Status"] == "Offline":
            self.assertEqual(away["TrafficMasterSn"], "sag-b")
        until(lambda: entry()["SoftwareVersion"] == "3.4.2", "the main one is done")

    def test_the_ten_codes(self):
        rows = [
            ("Forbidden", 403, dict(forbidden=True), {}),
            ("PermissionError", 500, dict(permission_error=True), {}),
            ("SmartAccessGatewayInArrears", 500, dict(status="Arrearage"), {}),
            ("SmartAccessGatewayNotActivated", 500, dict(status="Ordered"), {}),
            ("SmartAccessGatewayNotActivated", 500, dict(status="init"), {}),
            ("NotBoundCCN", 403, dict(ccn=""), {}),
            ("SmartAccessGatewayNotOnline", 403, dict(status="Offline"), {}),
            ("SmartAccessGatewayNotOnline", 403, dict(status="Strange"), {}),
            ("VersionTooOld", 403, dict(version="3.4.2"), {}),
            ("VersionTooOld", 403, dict(version="3.10.0"), {}),
            ("VersionTooOld", 403, {}, {"VersionCode": "3.4.3"}),
            ("VersionTooOld", 403, dict(dpi=""), {"VersionCode": "1.3.5", "VersionType": "Dpi"}),
            ("InvalidId.SMARTAG", 403, {}, {"SmartAGId": "sag-none"}),
            ("InvalidId.SMARTAG", 403, dict(model="sag-software", devices=[]), {}),
        ]
        for code, status, fields, params in rows:
            with self.subTest(code=code, **fields, **params):
                if "devices" in fields:
                    identity = self.make(**fields)
                    self.sim.instance(identity, devices=[])
                else:
                    identity = self.make(**fields)
                got = self.sim.call(UPGRADE, {"SmartAGId": identity, "VersionCode": "3.4.2", **params})
                self.assertEqual((got[0], got[1].get("Code")), (status, code))
        for fault, code in (("version_error", "GetSmartAccessGatewayVersionError"),
                            ("state_error", "GetSmartAccessGatewayStateError")):
            self.sim.faults(**{fault: 1})
            identity = self.make()
            self.assertEqual(self.sim.call(LIST)[0], 200)
            status, answer = self.sim.call(UPGRADE, {"SmartAGId": identity, "VersionCode": "3.4.2"})
            self.assertEqual((status, answer["Code"]), (403, code))

    def test_second_call_starts_again(self):
        identity = self.make()
        self.assertEqual(self.sim.upgrade(identity, "3.3.0"), "OK")
        self.assertEqual(self.sim.upgrade(identity, "3.4.2"), "OK")
        until(lambda: self.device(identity)["SoftwareVersion"] == "3.4.2", "the second version")
        counts = {one["version"]: one for one in self.sim.control("GET", "upgrades")["targets"]
                  if one["instance"] == identity}
        self.assertEqual(counts["3.3.0"]["overlapping"], 0)
        self.assertEqual((counts["3.4.2"]["accepted"], counts["3.4.2"]["overlapping"]), (1, 1))

    def test_stuck(self):
        self.sim.faults(stuck=1)
        identity = self.make()
        self.assertEqual(self.sim.upgrade(identity, "3.4.2"), "OK")
        other = self.make()
        self.assertEqual(self.sim.upgrade(other, "3.4.2"), "OK")
        until(lambda: self.device(other)["SoftwareVersion"] == "3.4.2", "the other device")
        until(lambda: self.sim.attribute(identity)["Status"] == "Offline", "the stuck device goes")
        self.assertEqual(self.sim.upgrade(identity, "3.4.2"), "SmartAccessGatewayNotOnline")
        self.sim.instance(identity, version="3.0.0")
        self.assertEqual(self.sim.attribute(identity)["Status"], "Active")

    def test_back_to_old(self):
        self.sim.faults(back_to_old=1)
        identity = self.make()
        self.assertEqual(self.sim.upgrade(identity, "3.4.2"), "OK")
        until(lambda: self.sim.attribute(identity)["Status"] == "Offline", "it goes")
        until(lambda: self.sim.attribute(identity)["Status"] == "Active", "it comes back")
        self.assertEqual(self.device(identity)["SoftwareVersion"], "3.0.0")

    def count(self, identity):
        rows = [one for one in self.sim.control("GET", "upgrades")["targets"] if one["instance"] == identity]
        return sum(one["requests"] for one in rows), sum(one["accepted"] for one in rows)

    def test_lost_reply_took_effect(self):
        self.sim.faults(lost_reply="1@" + UPGRADE)
        identity = self.make()
        self.assertEqual(self.sim.call(LIST)[0], 200)
        with self.assertRaises(http.client.RemoteDisconnected):
            self.sim.upgrade(identity, "3.4.2")
        self.assertEqual(self.count(identity), (1, 1))
        entry = self.sim.requests()[-1]
        self.assertEqual((entry["instance"], entry["lost"], entry["applied"]), (identity, True, True))
        until(lambda: self.device(identity)["SoftwareVersion"] == "3.4.2", "the new version")

    def test_close_on_reuse(self):
        self.sim.faults(close_on_reuse="always@" + UPGRADE)
        first, second = self.make(), self.make()
        self.assertEqual(self.sim.upgrade(first, "3.4.2"), "OK")
        connection = self.sim.connect()
        self.addCleanup(connection.close)
        self.assertEqual(self.sim.call(LIST, connection=connection)[0], 200)
        with self.assertRaises(http.client.RemoteDisconnected):
            self.sim.call(UPGRADE, {"SmartAGId": second, "VersionCode": "3.4.2"}, connection=connection)
        self.assertEqual(self.count(second), (1, 1))
        entry = self.sim.requests()[-1]
        self.assertEqual((entry["use"], entry["lost"]), (2, True))

    def test_reset_took_no_effect(self):
        self.sim.faults(reset=1)
        identity = self.make()
        with self.assertRaises(ConnectionResetError) as caught:
            self.sim.upgrade(identity, "3.4.2")
        # RemoteDisconnected is one of these too, and is what an orderly end looks like.
        self.assertNotIsInstance(caught.exception, http.client.RemoteDisconnected)
        self.assertEqual(self.count(identity), (1, 0))

    def test_codes_before_and_after_the_effect(self):
        rows = [
            ("internal_error", "InternalError", 500, 0),
            ("service_unavailable", "ServiceUnavailable", 503, 0),
            ("throttling", "Throttling.User", 400, 0),
            ("unknown_code", "OperationDenied.Mystery", 400, 0),
            ("forbidden", "Forbidden", 403, 0),
            ("inactive_key", "InvalidAccessKeyId.Inactive", 400, 0),
            ("expired_token", "InvalidSecurityToken.Expired", 400, 0),
            ("unknown_code_applied", "OperationDenied.Mystery", 400, 1),
            ("internal_error_applied", "InternalError", 500, 1),
        ]
        for fault, code, status, accepted in rows:
            with self.subTest(fault=fault):
                self.sim.faults(**{fault: "1@" + UPGRADE})
                identity = self.make()
                got = self.sim.call(UPGRADE, {"SmartAGId": identity, "VersionCode": "3.4.2"})
                self.assertEqual((got[0], got[1].get("Code")), (status, code))
                self.assertEqual(self.count(identity), (1, accepted))


class Bodies(Shared):
    def body(self, fault):
        self.sim.faults(**{fault: 1})
        return self.sim.raw(LIST, {"PageSize": "50"})

    def test_cut(self):
        self.sim.faults(cut_body=1)
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.sim.raw(LIST)
        self.assertGreater(len(caught.exception.partial), 100)

    def test_html(self):
        statuses = set()
        for _ in range(20):
            status, body, response = self.body("html_body")
            statuses.add(status)
            self.assertTrue(body.startswith(b"<html>"))
            self.assertEqual(response.headers["Content-Type"], "text/html")
        self.assertEqual(statuses, {200, 502})

    def test_empty(self):
        self.assertEqual(self.body("empty_body")[:2], (200, b""))

    def test_huge(self):
        status, body, _ = self.body("huge_body")
        self.assertEqual((status, len(body)), (200, 64 << 20))
        self.assertEqual(list(json.loads(body)), ["RequestId"])

    def test_deep(self):
        status, body, _ = self.body("deep_json")
        self.assertEqual((status, body), (200, b"[" * 50000 + b"]" * 50000))

    def test_wrong_types(self):
        page = json.loads(self.body("wrong_types")[1])["SmartAccessGateways"]["SmartAccessGateway"]
        kinds = {type(value) for entry in page for value in entry.values()}
        self.assertLessEqual({str, list, dict, bool, type(None), float}, kinds)

    def test_missing_fields(self):
        page = json.loads(self.body("missing_fields")[1])["SmartAccessGateways"]["SmartAccessGateway"]
        self.assertGreater(len({tuple(entry) for entry in page}), 10)

    def test_invalid_utf8(self):
        body = self.body("invalid_utf8")[1]
        with self.assertRaises(UnicodeDecodeError):
            body.decode()
        json.loads(body.decode(errors="replace"))


class Flow(unittest.TestCase):
    def test_throttle(self):
        with Simulator("--throttle", "5") as sim:
            codes = [sim.call(LIST)[1].get("Code") for _ in range(30)]
            self.assertIn("Throttling.User", codes)
            self.assertGreaterEqual(codes.count(None), 5)
            until(lambda: sim.call(LIST)[0] == 200, "a call passes again")

    def test_latency_delays_one_and_not_the_others(self):
        with Simulator("--fault", "latency=1:2s@" + LIST) as sim:
            slow = sim.connect()
            self.addCleanup(slow.close)
            params = {"RegionId": REGION}
            start = time.monotonic()
            slow.request("POST", "/?" + query_of(params), headers=sim.v3_headers(LIST, params))
            until(lambda: sim.requests(), "the slow request arrives")
            self.assertEqual(sim.call("DescribeRegions")[0], 200)
            self.assertEqual(select.select([slow.sock], [], [], 0)[0], [], "the slow one is still waiting")
            self.assertEqual(slow.getresponse().status, 200)
            self.assertGreaterEqual(time.monotonic() - start, 2)

    def test_stops_while_replies_wait(self):
        with Simulator("--latency", "1h") as sim:
            connection = socket.create_connection(("127.0.0.1", sim.port))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            # The control plane is not delayed.
            until(lambda: sim.requests(), "the request arrives")
        connection.close()

    def test_journal(self):
        with Simulator("--journal", "10") as sim:
            for _ in range(15):
                sim.call("DescribeRegions")
            answer = sim.control("GET", "requests")
            self.assertEqual([one["sequence"] for one in answer["requests"]], list(range(6, 16)))
            self.assertEqual((answer["first"], answer["last"], answer["total"]), (6, 15, 15))
            self.assertEqual(sim.control("GET", "requests?since=15")["requests"], [])
            one = answer["requests"][0]
            self.assertEqual((one["http_version"], one["method"], one["signature"], one["use"], one["code"]),
                             ("HTTP/1.1", "POST", "V3", 1, "OK"))

    def test_control_refusals(self):
        with Simulator("--instances", "3") as sim:
            before = sim.control("GET", "fleet")
            identity = before["instances"][0]["id"]
            for path, body in (("instance", {"id": identity, "city": "X", "colour": "red"}), ("instance", {}),
                               ("instance", {"id": identity, "devices": [{}, {}, {}]}),
                               ("instance", {"id": "sag-new", "name": 5}), ("instance", {"id": "x" * 256}),
                               ("instance", {"id": "sag-none", "remove": True}), ("instance", []),
                               ("faults", {"reset": 1, "nothing": 1}), ("catalogue", {"type": "Device"})):
                with self.subTest(path=path, body=body):
                    self.assertTrue(sim.control("POST", path, body, expected=400)["error"])
            sim.control("GET", "nothing", expected=404)
            self.assertEqual(sim.control("GET", "fleet"), before)
            self.assertEqual(sim.call(LIST)[0], 200)  # and the reset was not set
            sim.instance(identity, remove=True)
            self.assertEqual(sim.pages()[1], 2)

    def test_control_takes_what_curl_calls_a_form(self):
        with Simulator("--instances", "3") as sim:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            status, text, _ = sim.send("POST", "/_sim/faults", form, json.dumps({"stuck": "10%"}))
            self.assertEqual((status, text), (200, b'{"done":true}'))

    def test_state(self):
        with Simulator("--instances", "40") as sim:
            sim.call(LIST)
            sim.call("Nothing")
            state = sim.control("GET", "state")
            self.assertEqual((state["instances"], state["requests"], state["refused"]), (40, 2, 1))
            self.assertEqual(sum(state["statuses"].values()), 40)


class CommandLine(unittest.TestCase):
    def run_it(self, *flags):
        return subprocess.run([BINARY, *flags], capture_output=True, text=True, timeout=WAIT_S, check=False)

    def test_help_names_all_flags_and_faults(self):
        text = self.run_it("--help").stdout
        for word in ("--listen", "--tls-cert", "--fleet", "--throttle", "lost_reply", "close_on_reuse", "page_shift"):
            self.assertIn(word, text)

    def test_wrong_flags(self):
        for flags in (["--instances", "1000001"], ["--listen", "8080"], ["--listen", "127.0.0.1:65536"],
                      ["--fault", "nothing=1"], ["--fault", "reset"], ["--upgrade-time", "5"], ["--nothing"],
                      ["--tls-cert", "x"], ["stray"], ["--fleet", "/nonexistent"], ["--seed", "x"]):
            with self.subTest(flags=flags):
                result = self.run_it("--print-fleet", *flags)
                self.assertIn(result.returncode, (1, 2))
                self.assertTrue(result.stderr)
                self.assertEqual(result.stdout, "")

    def test_fleet_is_the_seeds(self):
        one = self.run_it("--print-fleet", "--instances", "200", "--seed", "5").stdout
        self.assertEqual(one, self.run_it("--print-fleet", "--instances", "200", "--seed", "5").stdout)
        self.assertNotEqual(one, self.run_it("--print-fleet", "--instances", "200", "--seed", "6").stdout)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(one)
            file.flush()
            self.assertEqual(self.run_it("--print-fleet", "--fleet", file.name).stdout, one)

    def test_fleet_file_errors(self):
        for text in ("", "[]", "{}", '{"instances":[{}]}', '{"instances":[{"id":"a","flavour":1}]}',
                     '{"instances":[{"id":"a"}],"catalogue":[{}]}'):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(text)
                file.flush()
                result = self.run_it("--print-fleet", "--fleet", file.name)
                self.assertEqual((result.returncode, result.stdout), (1, ""), text)

    def test_port_in_use(self):
        with Simulator() as sim:
            result = self.run_it("--listen", sim.host)
            self.assertEqual(result.returncode, 1)
            self.assertIn("cannot listen", result.stderr)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                           check=True, capture_output=True)
            context = ssl.create_default_context(cafile=cert)
            with Simulator("--tls-cert", cert, "--tls-key", key, "--fault", "reset=1@DescribeRegions",
                           tls=context) as sim:
                self.assertEqual(sim.call(LIST)[0], 200)
                with self.assertRaises(OSError):
                    sim.call("DescribeRegions")

    def test_large_fleet(self):
        with Simulator("--instances", "100000") as sim:
            status, answer = sim.call(LIST, {"PageNumber": "2000", "PageSize": "50"})
            self.assertEqual((status, answer["TotalCount"]), (200, 100000))
            self.assertEqual(len(answer["SmartAccessGateways"]["SmartAccessGateway"]), 50)
            self.assertEqual(sim.control("GET", "state")["instances"], 100000)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
