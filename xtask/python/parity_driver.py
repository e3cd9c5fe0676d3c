"""Does what one script says with the official Python SDK, and prints what came of it: the reference's side of
`cargo xtask parity`. In: one JSON line as for tests/conformance/driver.c. Out: one JSON line of the same form.
"""
import base64
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")
from cognite.client import ClientConfig, CogniteClient, global_config  # noqa: E402
from cognite.client import exceptions as e  # noqa: E402

# Not compared: how a message is framed, and what every server adds.
DROPPED = {"host", "user-agent", "accept-encoding", "connection", "content-length", "transfer-encoding", "keep-alive",
           "proxy-connection", "date", "content-type", "content-encoding"}
# The first class that fits names the kind.
KINDS = [
    (e.CogniteNotFoundError, "not_found"), (e.CogniteDuplicatedError, "duplicated"), (e.CogniteAPIError, "api_error"),
    (e.CogniteProjectAccessError, "project_access"), (e.CogniteOAuthError, "oauth_error"), (e.CogniteAuthError, "auth_error"),
    (e.CogniteConnectionRefused, "connection_refused"), (e.CogniteConnectionError, "connection_error"),
    (e.CogniteReadTimeout, "timeout"), (e.CogniteRequestError, "request_error"), (KeyError, "missing_key"),
    (TypeError, "invalid_type"), (UnicodeError, "encoding_error"), (json.JSONDecodeError, "json_decode"),
    (ValueError, "invalid_value"),
]


def error(x):
    kind = next((k for c, k in KINDS if isinstance(x, c)), None)
    if kind is None:
        kind = "raw_http_error" if type(x).__module__.startswith("http") else "internal"
    out = {"kind": kind, "class": type(x).__name__, "text": str(x)}
    for name in ("message", "code", "x_request_id", "missing", "duplicated", "cluster", "project", "extra"):
        value = getattr(x, name, None)
        if value is not None and (name, value) != ("extra", {}) and isinstance(x, (e.CogniteAPIError, e.CogniteProjectAccessError)):
            out[name] = value
    if kind == "project_access":
        out |= {"code": 401, "maybe_projects": x.maybe_projects}
    if kind == "oauth_error":
        out |= {"oauth_error": x.error, "oauth_description": x.description}
    return {"error": out}


def body(raw):
    if not raw:
        return {"kind": "none"}
    try:
        return {"kind": "json", "value": json.loads(raw.removeprefix(b"\xef\xbb\xbf"))}
    except ValueError:
        pass
    try:
        return {"kind": "text", "value": raw.decode()}
    except UnicodeDecodeError:
        return {"kind": "bytes", "base64": base64.b64encode(raw).decode()}


def response(r):
    headers = {}
    for name, value in r.headers.items():
        if name.lower() not in DROPPED:
            headers[name.lower()] = value
    out = {"status": r.status_code, "body": body(r.content)}
    return out | ({"headers": headers} if headers else {})


def plain(value):
    """Numbers that JSON does not have are written {"$float": "NaN"}."""
    return float(value["$float"]) if value.keys() == {"$float"} else value


def guarded(run):
    try:
        return {"ok": run()}
    except Exception as x:
        return error(x)


def call(client, c):
    op, given = c["op"], {k: c[k] for k in ("json", "params", "headers") if k in c}
    if op in ("get", "post", "put"):
        return response(getattr(client, op)(c["url"], **given))
    if op == "get_token":
        return dict(zip(("header", "value"), client.config.credentials.authorization_header()))
    if op == "sleep":
        return time.sleep(c["ms"] / 1000)
    raise NotImplementedError(op)


def main():
    job, out = json.loads(sys.stdin.read(), object_hook=plain), {}
    global_config.disable_pypi_version_check = True
    if "global_settings" in job:
        out["global_settings"] = guarded(lambda: global_config.apply_settings(job["global_settings"]) or {})
    client = None
    if "config" in job:
        out["config"] = guarded(lambda: ClientConfig.load(job["config"]))
        if "ok" in out["config"]:
            client, out["config"] = CogniteClient(out["config"]["ok"]), {"ok": {}}
    start = time.monotonic()
    out["calls"] = [guarded(lambda: call(client, c)) for c in job.get("calls", []) if client is not None]
    out["elapsed_ms"] = (time.monotonic() - start) * 1000
    print(json.dumps(out))


main()
