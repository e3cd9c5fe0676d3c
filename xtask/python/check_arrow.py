"""Imports with pyarrow what cognite_columns_export_arrow() hands out, and compares with what was written.

usage: check_arrow.py LIBCOGNITE.SO        (connection: COGNITE_* variables, as for the examples)
"""
import ctypes
import gc
import json
import os
import sys

import pyarrow as pa

T0, COUNT = 1700000000000, 1000


class Column(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t), ("id", ctypes.c_int64), ("external_id", ctypes.c_char_p), ("space", ctypes.c_char_p),
        ("count", ctypes.c_size_t), ("timestamps_ms", ctypes.c_void_p), ("numbers", ctypes.c_void_p),
        ("states", ctypes.c_void_p), ("text", ctypes.c_char_p), ("text_offsets", ctypes.c_void_p),
        ("status_codes", ctypes.c_void_p), ("validity", ctypes.c_void_p), ("state_text", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class Library:
    def __init__(self, path: str) -> None:
        self.lib = ctypes.CDLL(path)
        for name in ("cognite_error_message", "cognite_columns_timestamps", "cognite_columns_numbers"):
            getattr(self.lib, name).restype = ctypes.c_char_p if name.endswith("message") else ctypes.c_void_p

    def call(self, name: str, *arguments):
        """Calls a function whose last parameter is the error."""
        error = ctypes.c_void_p()
        if getattr(self.lib, name)(*arguments, ctypes.byref(error)) != 0:
            sys.exit(f"{name}: {self.lib.cognite_error_message(error).decode()}")

    def client(self) -> ctypes.c_void_p:
        env = os.environ
        config = json.dumps({
            "client_name": "check_arrow", "project": env["COGNITE_PROJECT"], "base_url": env["COGNITE_BASE_URL"],
            "credentials": {"client_credentials": {
                "client_id": env["COGNITE_CLIENT_ID"], "client_secret": env["COGNITE_CLIENT_SECRET"],
                "token_url": env["COGNITE_TOKEN_URL"], "scopes": env["COGNITE_SCOPES"]}},
        }).encode()
        client = ctypes.c_void_p()
        self.call("cognite_client_load", config, ctypes.c_size_t(len(config)), ctypes.byref(client))
        return client

    def post(self, client, path: str, body) -> None:
        text = json.dumps(body).encode()
        url = f"/api/v1/projects/{os.environ['COGNITE_PROJECT']}{path}".encode()
        response = ctypes.c_void_p()
        self.call("cognite_client_post", client, url, text, ctypes.c_size_t(len(text)), None, None, ctypes.byref(response))
        self.lib.cognite_response_free(response)

    def read(self, client, query) -> ctypes.c_void_p:
        text, columns = json.dumps(query).encode(), ctypes.c_void_p()
        self.call("cognite_columns_read", client, text, ctypes.c_size_t(len(text)), None, ctypes.byref(columns))
        return columns

    def batch(self, columns, series: int) -> pa.RecordBatch:
        schema, array = ctypes.create_string_buffer(72), ctypes.create_string_buffer(80)
        self.call("cognite_columns_export_arrow", columns, ctypes.c_size_t(series), schema, array)
        batch = pa.RecordBatch._import_from_c(ctypes.addressof(array), ctypes.addressof(schema))
        batch.validate(full=True)
        return batch


def column(name: str, count: int, **columns) -> Column:
    made = Column(struct_size=ctypes.sizeof(Column), external_id=name.encode(), count=count)
    for field, value in columns.items():
        setattr(made, field, value if field == "text" else ctypes.cast(value, ctypes.c_void_p))
    return made


def main() -> int:
    library = Library(sys.argv[1])
    client = library.client()
    library.post(client, "/timeseries", {"items": [
        {"externalId": "arrow-n"}, {"externalId": "arrow-t", "isString": True}]})

    times = (ctypes.c_int64 * COUNT)(*(T0 + n for n in range(COUNT)))
    values = (ctypes.c_double * COUNT)(*(n / 8 for n in range(COUNT)))
    codes = (ctypes.c_uint32 * COUNT)(*(0x80000000 if n % 7 == 0 else 0 for n in range(COUNT)))
    there = (ctypes.c_uint8 * (COUNT // 8))(*(sum((b * 8 + n) % 7 != 0 and 1 << n for n in range(8)) for b in range(COUNT // 8)))
    words = ["", "ø", "words"] * 100
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word.encode()))
    offsets = (ctypes.c_int64 * len(offsets))(*offsets)
    both = [
        column("arrow-n", COUNT, timestamps_ms=times, numbers=values, status_codes=codes, validity=there),
        column("arrow-t", len(words), timestamps_ms=times, text="".join(words).encode(), text_offsets=offsets),
    ]
    pointers = (ctypes.POINTER(Column) * 2)(*(ctypes.pointer(c) for c in both))
    library.call("cognite_points_insert_columns", client, pointers, ctypes.c_size_t(2), None, None)

    columns = library.read(client, {
        "items": [{"externalId": "arrow-n"}, {"externalId": "arrow-t"}], "start": 0, "end": T0 + COUNT,
        "includeStatus": True, "ignoreBadDataPoints": False})
    numbers, texts = library.batch(columns, 0), library.batch(columns, 1)
    assert numbers.schema.field("timestamp").type == pa.timestamp("ms", "UTC"), numbers.schema
    assert not numbers.schema.field("timestamp").nullable
    assert json.loads(numbers.schema.metadata[b"cognite"])["externalId"] == "arrow-n"
    where = library.lib.cognite_columns_numbers(columns, ctypes.c_size_t(0), None)
    assert numbers.column("value").buffers()[1].address == where, "the values were copied"
    library.lib.cognite_columns_free(columns)
    assert numbers.column("timestamp").cast(pa.int64()).to_pylist() == list(times)
    assert numbers.column("value").to_pylist() == [None if n % 7 == 0 else n / 8 for n in range(COUNT)]
    assert numbers.column("status").to_pylist() == list(codes)
    assert texts.column("value").to_pylist() == words and texts.column("value").type == pa.large_string()
    kept = numbers.column("value")
    del numbers, texts
    gc.collect()
    assert kept[999].as_py() == 999 / 8, "a column outlives its batch"

    columns = library.read(client, {
        "externalId": "arrow-n", "start": T0, "end": T0 + 1000, "granularity": "1s", "aggregates": ["count", "min", "max_datapoint"]})
    table = library.batch(columns, 0).to_pydict()
    library.lib.cognite_columns_free(columns)
    assert sum(table["count"]) == sum(n % 7 != 0 for n in range(COUNT)), table
    assert table["maxDatapoint"][-1] == 999 / 8 and round(table["maxDatapoint.timestamp"][-1].timestamp() * 1000) == T0 + 999, table

    states = {"space": "arrow", "externalId": "states"}
    node = lambda name, view, properties: {
        "instanceType": "node", "space": "arrow", "externalId": name,
        "sources": [{"source": {"type": "view", "space": "cdf_cdm", "externalId": view, "version": "v1"}, "properties": properties}]}
    library.post(client, "/models/spaces", {"items": [{"space": "arrow"}]})
    library.post(client, "/models/instances", {"items": [
        node("set", "CogniteStateSet", {"states": [{"numericValue": n, "stringValue": s} for n, s in enumerate(("OFF", "ON"))]}),
        node("states", "CogniteTimeSeries", {"isStep": True, "type": "state", "stateSet": {"space": "arrow", "externalId": "set"}})]})
    library.post(client, "/timeseries/data", {"items": [{"instanceId": states, "datapoints": [
        {"timestamp": t, "numericValue": n} for t, n in ((0, 0), (600, 1), (5000, 1))]}]})
    columns = library.read(client, {"instanceId": states, "start": 0, "end": 6000, "granularity": "2s",
                                    "aggregates": ["count", "stateCount", "stateDuration"]})
    batch = library.batch(columns, 0)
    library.lib.cognite_columns_free(columns)
    entry = lambda number, name, count, ms: {"numericValue": number, "stringValue": name, "stateCount": count, "stateDuration": ms}
    assert batch.to_pydict()["stateAggregates"] == [
        [entry(0, "OFF", 1, 600), entry(1, "ON", 1, 1400)], [entry(1, "ON", 1, 1000)]], batch.to_pydict()
    assert batch.column("count").to_pylist() == [2, 1]
    print(f"pyarrow reads {COUNT} numbers, {len(words)} texts and {len(table['count'])} buckets as they were written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
