"""Measures what datapoints cost the emulator: time and processor per datapoint in and out, memory per datapoint.

    EMULATOR='<start line>' EMULATOR_PID=<its process> python3 tests/python_load.py [millions] [series]

Bodies are made beforehand, so this process only sends and receives.
"""

import http.client
import json
import os
import sys
import time
import urllib.parse
import urllib.request

import numpy as np

FIRST, STEP, PER_REQUEST = 1_700_000_000_000, 1000, 100_000


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def points(first, count, rng):
    """`count` NumericDatapoint messages of 18 bytes: timestamps of six bytes, as those of our time are."""
    layout = np.dtype([("head", "S3"), ("ts", "u1", 6), ("tag", "u1"), ("value", "<f8")])
    rows = np.zeros(count, layout)
    rows["head"], rows["tag"] = b"\x0a\x10\x08", 0x11
    times = first + np.arange(count, dtype=np.int64) * STEP
    for n in range(6):
        rows["ts"][:, n] = (times >> 7 * n) & 127 | (128 if n < 5 else 0)
    rows["value"] = rng.normal(20, 3, count)
    return rows.tobytes()


class Emulator:
    def __init__(self):
        start = json.loads(os.environ["EMULATOR"])
        form = {"grant_type": "client_credentials", "client_id": start["client_id"],
                "client_secret": start["client_secret"], "scope": start["scopes"]}
        with urllib.request.urlopen(start["token_url"], urllib.parse.urlencode(form).encode()) as answer:
            self.token = json.load(answer)["access_token"]
        url = urllib.parse.urlparse(start["url"])
        self.prefix = f"/api/v1/projects/{start['project']}"
        self.connection = http.client.HTTPConnection(url.hostname, url.port)
        self.pid = int(os.environ["EMULATOR_PID"])

    def post(self, path, body, **head):
        head = {"authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in head.items()}}
        self.connection.request("POST", self.prefix + path, body, head)
        answer = self.connection.getresponse()
        data = answer.read()
        assert answer.status < 300, data[:500]
        return data

    def usage(self):
        """Seconds of processor, bytes of memory."""
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        with open(f"/proc/{self.pid}/status") as f:
            memory = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), memory


def main():
    total = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 10_000_000
    series = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    emulator, rng = Emulator(), np.random.default_rng(1)
    names = [f"load {n}" for n in range(series)]
    for n in range(0, series, 1000):
        made = json.dumps({"items": [{"externalId": name} for name in names[n : n + 1000]]})
        emulator.post("/timeseries", made, content_type="application/json")
    at_once = min(series, 100)
    each = PER_REQUEST // at_once

    def body(n):
        """Request n: `each` datapoints of the next `at_once` series."""
        turn, group = divmod(n, series // at_once)
        items = b""
        for name in names[group * at_once : (group + 1) * at_once]:
            new = points(FIRST + turn * each * STEP, each, rng)
            items += field(1, field(2, name.encode()) + field(3, new))
        return items

    def measure(what, count, calls):
        before, began, nbytes = emulator.usage(), time.monotonic(), 0
        for call in calls:
            nbytes += call()
        wall, (cpu, memory) = time.monotonic() - began, emulator.usage()
        print(f"{what}: {count / wall / 1e6:.1f} M points/s, {(cpu - before[0]) / count * 1e9:.0f} ns of processor a point, "
              f"{nbytes / count:.1f} bytes on the wire, memory {(memory - before[1]) / count:.1f} bytes a point more", flush=True)

    def insert(bodies):
        return [lambda b=b: len(b) + len(emulator.post("/timeseries/data", b, content_type="application/protobuf")) for b in bodies]

    done = 0
    while done < total:
        # A few hundred MB at a time.
        count = min(100, (total - done) // PER_REQUEST)
        bodies = [body(done // PER_REQUEST + n) for n in range(count)]
        measure(f"insert {done / 1e6:.0f} M on", count * PER_REQUEST, insert(bodies))
        done += count * PER_REQUEST
        last = bodies

    def read(accept, limit, **what):
        def one(n):
            items = [{"externalId": name, "start": FIRST, "end": FIRST + 10**12, "limit": limit // at_once, **what}
                     for name in names[n % (series // at_once) * at_once :][:at_once]]
            return len(emulator.post("/timeseries/data/list", json.dumps({"items": items}), content_type="application/json", accept=accept))

        return [lambda n=n: one(n) for n in range(50)]

    have = total // series * at_once
    count = min(have, PER_REQUEST)
    measure("read raw, protobuf", 50 * count, read("application/protobuf", PER_REQUEST))
    measure("read raw, JSON", 50 * count, read("application/json", PER_REQUEST))
    seconds = total // series
    width = max(1, seconds // 100)
    buckets = {"granularity": f"{min(width, 120)}s", "aggregates": ["average", "max", "min", "count", "continuousVariance"]}
    count = 50 * min(10_000 // at_once * min(width, 120), seconds) * at_once
    measure("aggregate (points looked at)", count, read("application/protobuf", 10_000, **buckets))
    measure("insert the last again", len(last) * PER_REQUEST, insert(last))


main()
