#!/usr/bin/env python3
"""What moves a fleet beside the upgrade call: the cloud's own upgrader, catalogues per model, roles, and devices that change hands.

Standard library only. Usage: test_simulator_fleet.py PATH_OF_SAGPIN_SIMULATOR [unittest arguments]
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_simulator as wire  # noqa: E402
from test_simulator import Shared, Simulator, until  # noqa: E402

DESCRIBE, MODIFY = "DescribeDeviceAutoUpgradePolicy", "ModifyDeviceAutoUpgradePolicy"
VERSIONS = "DescribeSmartAccessGatewayVersions"
SCHEDULE = {"UpgradeType": "scheduled", "CronExpression": "0 0 4 1/1 * ?", "Duration": "60", "TimeZone": "Asia/Tokyo"}


def fleet_of(sim, identity):
    return [one for one in sim.control("GET", "fleet")["instances"] if one["id"] == identity][0]


class Policies(Shared):
    flags = ("--upgrade-time", "200ms")

    def pair(self):
        identity = self.make(serial="sag-m", backup_serial="sag-b", backup_version="3.0.0", backup_dpi="1.0.1")
        return identity, {"SmartAGId": identity, "SerialNumber": "sag-b", "VersionType": "Device"}

    def policy(self, params):
        status, answer = self.sim.call(DESCRIBE, params)
        self.assertEqual(status, 200, answer)
        return (answer["UpgradeType"], answer["CronExpression"], int(answer["Duration"]), int(answer["Jitter"]), answer["TimeZone"])

    def modify(self, params, expected="OK"):
        status, answer = self.sim.call(MODIFY, {k: v for k, v in params.items() if v is not None})
        self.assertEqual(answer.get("Code", "OK"), expected, params)
        self.assertEqual(status == 200, expected == "OK")

    def test_modify_shows_everywhere(self):
        identity, params = self.pair()
        manual = ("manual", "", 0, 0, "Asia/Shanghai")
        self.assertEqual(self.policy(params), manual)
        self.modify({**params, **SCHEDULE, "Jitter": "5"})
        new = ("scheduled", "0 0 4 1/1 * ?", 60, 5, "Asia/Tokyo")
        self.assertEqual(self.policy(params), new)
        for other in ({"SerialNumber": "sag-m"}, {"VersionType": "Dpi"}):  # each device and type has its own
            self.assertEqual(self.policy({**params, **other}), manual)
        answer = self.sim.call(DESCRIBE, params)[1]
        self.assertEqual((answer["SmartAGId"], answer["SerialNumber"]), (identity, "sag-b"))

        entry = [one for one in self.sim.requests() if one["action"] == MODIFY][-1]
        self.assertEqual((entry["instance"], entry["serial"], entry["version_type"], entry["upgrade_type"], entry["applied"]),
                         (identity, "sag-b", "Device", "scheduled", True))
        main, backup = fleet_of(self.sim, identity)["devices"]
        self.assertNotIn("auto_upgrade", main)
        self.assertEqual(backup["auto_upgrade"], {"type": "scheduled", "cron": "0 0 4 1/1 * ?", "duration": 60, "jitter": 5,
                                                  "time_zone": "Asia/Tokyo"})
        self.modify({**params, "UpgradeType": "manual"})
        self.assertEqual(self.policy(params), ("manual", "", 0, 0, ""))
        self.modify({**params, "UpgradeType": "boot", "TimeZone": "UTC", "Duration": "30"})
        self.assertEqual(self.policy(params), ("boot", "", 30, 0, "UTC"))

    def test_parameters(self):
        identity, params = self.pair()
        for name, code in (("UpgradeType", "MissingUpgradeType"), ("CronExpression", "MissingCronExpression"),
                           ("Duration", "MissingDuration"), ("TimeZone", "MissingTimeZone"), ("VersionType", "MissingVersionType"),
                           ("SerialNumber", "MissingSerialNumber"), ("SmartAGId", "MissingSmartAGId")):
            self.modify({**params, **SCHEDULE, name: None}, code)
        for name, values in (("UpgradeType", ("Manual", "nightly", "")), ("Duration", ("29", "121", "60m", "")),
                             ("Jitter", ("-1", "1441")), ("TimeZone", ("", "/etc/passwd", "Asia Tokyo")),
                             ("VersionType", ("device",)), ("SerialNumber", ("sag-x",)), ("Cron", ("0 0 4 1/1 * ?",))):
            for value in values:
                self.modify({**params, **SCHEDULE, name: value}, "InvalidParameter")
        self.modify({**params, "UpgradeType": "manual", "Duration": "29"}, "InvalidParameter")
        for name, value in (("Duration", "30"), ("Duration", "120"), ("Jitter", "0"), ("Jitter", "1440")):
            self.modify({**params, **SCHEDULE, name: value})
        self.assertEqual(self.sim.call(DESCRIBE, {**params, "UpgradeType": "manual"})[1]["Code"], "InvalidParameter")
        for missing in ("SerialNumber", "VersionType"):
            rest = {k: v for k, v in params.items() if k != missing}
            self.assertEqual(self.sim.call(DESCRIBE, rest)[1]["Code"], "Missing" + missing)
        refused = [one for one in self.sim.requests() if one["action"] == MODIFY and one["code"] != "OK"]
        self.assertTrue(refused and not any(one["applied"] for one in refused))
        self.sim.instance(identity, forbidden=True)
        self.modify({**params, **SCHEDULE}, "Forbidden")

    def test_cron(self):
        _, params = self.pair()
        for cron in ("0 0 4 ? * 1", "0 0/30 0-5,23 L 1,6-12 ?", "59 59 23 31 DEC ?", "*/5 * * ? * MON-FRI", "0 0 0 1W * ?",
                     "0 0 4 ? * 6#3"):
            self.modify({**params, **SCHEDULE, "CronExpression": cron})
            self.assertEqual(self.policy(params)[1], cron)
        for cron in ("", "0 4 * * *", "0 0 4 ? * 1 2030", "0 0 4 * * *", "0 0 4 ? * ?", "60 0 4 ? * 1", "0 60 4 ? * 1",
                     "0 0 24 ? * 1", "0 0 4 32 * ?", "0 0 4 0 * ?", "0 0 4 ? 13 1", "0 0 4 ? * 8", "0 0 4 ? * 0", "0  0 4 ? * 1",
                     "0 0 4 ? * 1 ", " 0 0 4 ? * 1", "0 0/0 4 ? * 1", "0 0 4 ? * mon", "a 0 4 ? * 1", "0 0 4\t? * 1"):
            self.modify({**params, **SCHEDULE, "CronExpression": cron}, "InvalidParameter")

    def test_the_upgrader_moves_a_device(self):
        identity, params = self.pair()
        call = {"id": identity, "serial": "sag-b", "version": "3.4.2"}
        self.assertIn("manual", self.sim.control("POST", "auto_upgrade", call, expected=409)["error"])
        for kind in ("scheduled", "boot"):
            self.modify({**params, **SCHEDULE, "UpgradeType": kind})
            self.sim.instance(identity, backup_version="3.0.0")
            self.sim.control("POST", "auto_upgrade", call)
            until(lambda: fleet_of(self.sim, identity)["devices"][1]["version"] == "3.4.2", "the upgrader's work")
        self.assertEqual(fleet_of(self.sim, identity)["devices"][0]["version"], "3.0.0")
        self.assertEqual([one for one in self.sim.requests() if one["action"] == wire.UPGRADE and one["instance"] == identity], [])
        self.assertIn("manual", self.sim.control("POST", "auto_upgrade", {**call, "serial": "sag-m"}, expected=409)["error"])
        dpi = {**call, "version_type": "Dpi", "version": "1.3.5"}
        self.sim.control("POST", "auto_upgrade", dpi, expected=409)
        self.modify({**params, **SCHEDULE, "VersionType": "Dpi"})
        self.sim.control("POST", "auto_upgrade", dpi)
        until(lambda: fleet_of(self.sim, identity)["devices"][1]["dpi"] == "1.3.5", "the signature database")

    def test_the_upgrader_refuses(self):
        identity = self.make(serial="sag-s", auto_upgrade={"type": "scheduled", "cron": "0 0 4 ? * 1", "duration": 60})
        call = {"id": identity, "serial": "sag-s", "version": "3.4.2"}
        for changed in ({"version": "3.0.0"}, {"version": "2.1.0"}, {"version": "9.9.9"}, {"version": ""}):
            self.sim.control("POST", "auto_upgrade", {**call, **changed}, expected=409)
        for changed in ({"id": "sag-none"}, {"serial": "sag-x"}, {"serial": ""}, {"version_type": "device"}, {"colour": "red"}, {"version": 3}):
            self.assertTrue(self.sim.control("POST", "auto_upgrade", {**call, **changed}, expected=400)["error"])
        self.sim.instance(identity, status="Offline")
        self.assertIn("online", self.sim.control("POST", "auto_upgrade", call, expected=409)["error"])
        self.assertEqual(fleet_of(self.sim, identity)["devices"][0]["version"], "3.0.0")


class Catalogue(unittest.TestCase):
    def versions(self, sim, identity, serial, kind="Device"):
        status, answer = sim.call(VERSIONS, {"SmartAGId": identity, "SmartAGSn": serial, "VersionType": kind})
        if status != 200:
            return answer["Code"]
        return [(one["VersionCode"], one["Type"]) for one in answer["SmartAGVersions"]["SmartAGVersion"]]

    def test_per_model(self):
        fleet = {"instances": [{"id": "sag-a", "model": "sag-1000", "serial": "a", "version": "1.0.0", "dpi": "1.0"},
                               {"id": "sag-b", "model": "sag-100wm", "serial": "b", "version": "1.0.0", "dpi": "1.0"}],
                 "catalogue": [{"code": "1.1.0", "created_ms": 1}, {"code": "1.2.0", "channel": "beta", "created_ms": 2},
                               {"code": "1.3.0", "model": "sag-1000", "created_ms": 3},
                               {"code": "1.1.0", "model": "sag-100wm", "channel": "beta", "created_ms": 4},
                               {"type": "Dpi", "code": "1.1", "model": "sag-1000", "created_ms": 5}]}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(fleet, file)
            file.flush()
            printed = subprocess.run([wire.BINARY, "--print-fleet", "--fleet", file.name], capture_output=True, text=True, check=True)
            with Simulator("--fleet", file.name) as sim:
                self.assertEqual(json.loads(printed.stdout), sim.control("GET", "fleet"))
                self.assertEqual([one.get("model", "") for one in sim.control("GET", "fleet")["catalogue"]],
                                 ["", "", "sag-1000", "sag-100wm", "sag-1000"])
                self.assertEqual(self.versions(sim, "sag-a", "a"), [("1.1.0", "release"), ("1.2.0", "beta"), ("1.3.0", "release")])
                self.assertEqual(self.versions(sim, "sag-b", "b"), [("1.2.0", "beta"), ("1.1.0", "beta")])  # its own word counts
                self.assertEqual(self.versions(sim, "sag-a", "a", "Dpi"), [("1.1", "release")])
                self.assertEqual(self.versions(sim, "sag-b", "b", "Dpi"), "VersionNotExist")
                self.assertEqual(sim.upgrade("sag-b", "1.3.0"), "VersionTooOld")
                self.assertEqual(sim.upgrade("sag-a", "1.3.0"), "OK")
                sim.control("POST", "catalogue", {"code": "1.3.0", "model": "sag-100wm"})
                self.assertEqual(sim.upgrade("sag-b", "1.3.0"), "OK")
                for wrong in ({"code": "2", "model": "m" * 256}, {"code": "2", "channel": "gamma"}):
                    sim.control("POST", "catalogue", wrong, expected=400)


class Roles(Shared):
    def roles(self, identity):
        answer = self.sim.attribute(identity)
        return [one["HaState"] for one in answer["Devices"]["Device"]], answer["TrafficMasterSn"]

    def test_roles_are_told(self):
        identity = self.make(serial="sag-m", backup_serial="sag-b", backup_version="3.0.0")
        self.assertEqual(self.roles(identity), (["Active", "Standby"], "sag-m"))
        self.sim.instance(identity, ha_state="Standby", backup_ha_state="Active", traffic_master="sag-b")
        self.assertEqual(self.roles(identity), (["Standby", "Active"], "sag-b"))
        self.assertEqual(fleet_of(self.sim, identity)["traffic_master"], "sag-b")
        self.assertEqual([one["ha_state"] for one in fleet_of(self.sim, identity)["devices"]], ["Standby", "Active"])
        self.sim.instance(identity, ha_state="Active")  # both, as a pair may be
        self.assertEqual(self.roles(identity), (["Active", "Active"], "sag-b"))
        self.sim.instance(identity, ha_state="", backup_ha_state="", traffic_master="")
        self.assertEqual(self.roles(identity), (["Active", "Standby"], "sag-m"))
        self.sim.instance(identity, devices=[{"serial": "sag-m", "version": "3.0.0", "ha_state": "Odd"}, {"serial": "sag-b"}])
        self.assertEqual(self.roles(identity)[0], ["Odd", "Standby"])

    def test_a_standby_that_dies(self):
        with Simulator("--upgrade-time", "100ms", "--instances", "0") as sim:
            sim.instance("sag-p", serial="sag-m", version="3.0.0", backup_serial="sag-b", backup_version="3.0.0")
            sim.faults(stuck=1)
            self.assertEqual(sim.upgrade("sag-p", "3.4.2", SerialNumber="sag-b"), "OK")

            def entry():
                return sim.pages(SmartAGId="sag-p")[0][0]
            until(lambda: entry()["BackupStatus"] == "Offline", "the standby goes")
            self.assertEqual((entry()["Status"], entry()["BackupSoftwareVersion"]), ("Active", "3.0.0"))
            self.assertEqual(sim.attribute("sag-p")["TrafficMasterSn"], "sag-m")
            sim.instance("sag-p", backup_version="3.4.2")  # somebody exchanged it
            self.assertEqual((entry()["BackupStatus"], entry()["BackupSoftwareVersion"]), ("Active", "3.4.2"))


class Moves(Shared):
    flags = ("--upgrade-time", "300ms", "--region", "cn-shanghai", "--region", "cn-hongkong")

    def serials(self):
        return {entry["SmartAGId"]: entry["SerialNumber"] for entry in self.sim.pages()[0] if "-moves-" in entry["SmartAGId"]}

    def test_to_a_new_instance(self):
        old = self.make(serial="sag-1", city="Xi'an", ccn="ccn-7")
        self.sim.call(MODIFY, {"SmartAGId": old, "SerialNumber": "sag-1", "VersionType": "Device", **SCHEDULE})
        self.assertEqual(self.sim.upgrade(old, "3.4.2"), "OK")
        self.sim.control("POST", "move", {"serial": "sag-1", "to": "sag-test-moves-new"})
        self.assertEqual((self.serials()[old], self.serials()["sag-test-moves-new"]), ("", "sag-1"))
        entry = self.sim.pages(SmartAGId="sag-test-moves-new")[0][0]
        self.assertEqual((entry["City"], entry["AssociatedCcnId"], entry["HardwareVersion"]), ("Xi'an", "ccn-7", "sag-1000"))
        new = fleet_of(self.sim, "sag-test-moves-new")
        self.assertEqual(new["devices"][0]["auto_upgrade"]["type"], "scheduled")
        until(lambda: fleet_of(self.sim, "sag-test-moves-new")["devices"][0]["version"] == "3.4.2", "what was under way went along")
        self.assertEqual(self.sim.upgrade(old, "3.4.2", SerialNumber="sag-1"), "InvalidId.SMARTAG")

    def test_into_a_pair_and_out(self):
        one, two = self.make(serial="sag-2"), self.make(serial="sag-3", version="3.1.0")
        self.sim.control("POST", "move", {"serial": "sag-3", "to": one})
        self.assertEqual((self.serials()[one], self.serials()[two]), ("sag-2,sag-3", ""))
        self.assertEqual(fleet_of(self.sim, one)["devices"][1]["version"], "3.1.0")
        self.sim.control("POST", "move", {"serial": "sag-2", "to": two})  # the main one goes, the backup moves up
        self.assertEqual((self.serials()[one], self.serials()[two]), ("sag-3", "sag-2"))
        self.assertEqual([one["serial"] for one in fleet_of(self.sim, two)["devices"]], ["sag-2"])

    def test_across_regions(self):
        here = self.make(serial="sag-4")
        there = self.make(region="cn-hongkong", serial="sag-5")
        self.sim.control("POST", "move", {"serial": "sag-4", "to": there})
        self.assertEqual(self.serials()[here], "")
        self.assertEqual(fleet_of(self.sim, there)["region"], "cn-hongkong")
        self.assertEqual([one["serial"] for one in fleet_of(self.sim, there)["devices"]], ["sag-5", "sag-4"])

    def test_refusals(self):
        full = self.make(serial="sag-6", backup_serial="sag-7")
        alone = self.make(serial="sag-8")
        before = self.sim.control("GET", "fleet")
        for body, status in (({"serial": "sag-8", "to": full}, 409), ({"serial": "sag-6", "to": full}, 409), ({"serial": "sag-8", "to": alone}, 409),
                             ({"serial": "sag-none", "to": full}, 400), ({"serial": "", "to": full}, 400), ({"serial": "sag-8"}, 400),
                             ({"serial": "sag-8", "to": "x" * 256}, 400), ({"serial": "sag-8", "to": 5}, 400), ({"from": "sag-8"}, 400)):
            with self.subTest(body=body):
                self.assertTrue(self.sim.control("POST", "move", body, expected=status)["error"])
        self.assertEqual(self.sim.control("GET", "fleet"), before)


if __name__ == "__main__":
    wire.BINARY = sys.argv.pop(1)
    unittest.main()
