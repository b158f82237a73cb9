#!/usr/bin/env python3
"""What a recovery costs beside the backend's own time: plan, guards, journal, audit, all of it with fsync.

    benches/recovery_overhead.py [--binary target/release/opsmedic] [--runs 100] [--limit-ms 20]

Starts a backend on the loopback address that answers at once, a real `opsmedic serve` on a store of its own, and calls trigger_recovery on
one target after the other. The same requests that a recovery sends (its looks and its action) are then sent alone, one after the other, by
the same machine to the same backend: what they take is the backend's own time. Beside it stands what a bare fsync takes on the same disk.
Exit code 1 if the 95th percentile is over the limit.
"""

import argparse
import http.client
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time


class Backend(http.server.BaseHTTPRequestHandler):
    """A service per path: unwell until its restart was asked for."""

    protocol_version = "HTTP/1.1"
    well = set()
    requests = []

    def reply(self, status):
        self.requests.append(self.command)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self):
        self.reply(200 if self.path in self.well else 503)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.well.add(self.path)
        self.reply(200)

    def log_message(self, *_):
        pass


class Client:
    """MCP over the pipes of a server."""

    def __init__(self, binary, config):
        self.server = subprocess.Popen(
            [binary, "--config", config, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
        )
        self.ids = 0
        self.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.server.stdin.write(json.dumps(message) + "\n")

    def request(self, method, params):
        self.ids += 1
        self.send({"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params})
        while True:
            answer = json.loads(self.server.stdout.readline())
            if answer.get("id") == self.ids:
                return answer["result"]

    def close(self):
        self.server.stdin.close()
        self.server.wait(10)


def configuration(folder, port, runs):
    targets = [
        f'[[targets]]\nname = "t{n}"\npolicy = "auto"\nsoak_seconds = 0\nverify_timeout_seconds = 5\n'
        f'[targets.check.application]\nurl = "http://127.0.0.1:{port}/t{n}"\n'
        f'[targets.actions.restart_service.http]\nurl = "http://127.0.0.1:{port}/t{n}"\n'
        for n in range(runs + 1)
    ]
    path = os.path.join(folder, "opsmedic.toml")
    with open(path, "w") as file:
        file.write(f'[store]\npath = "{folder}/opsmedic.db"\n[recovery]\nactions_per_hour = 1000\n' + "".join(targets))
    return path


def recover(client, target):
    begun = time.perf_counter()
    result = client.request("tools/call", {"name": "trigger_recovery", "arguments": {"issue_type": "service_unavailable", "target": target, "reason": "bench"}})
    took = time.perf_counter() - begun
    state = result.get("structuredContent", {}).get("state")
    if state != "succeeded":
        sys.exit(f"{target} did not recover: {result}")
    return took * 1000


def alone(port, methods):
    """The same requests, each on a connection of its own, as a recovery sends them."""
    begun = time.perf_counter()
    for method in methods:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(method, "/alone")
        connection.getresponse().read()
        connection.close()
    return (time.perf_counter() - begun) * 1000


def bare_fsync(folder, times=50):
    took = []
    with open(os.path.join(folder, "fsync"), "wb") as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/opsmedic")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--limit-ms", type=float, default=20)
    parser.add_argument("--folder", help="where the store is; default: the folder for temporary files")
    options = parser.parse_args()
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = backend.server_address[1]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        client = Client(options.binary, configuration(folder, port, options.runs))
        recover(client, f"t{options.runs}")  # opens the store
        rows = []
        for n in range(options.runs):
            Backend.requests.clear()
            total = recover(client, f"t{n}")
            own = alone(port, list(Backend.requests))
            rows.append((total, own, total - own))
        requests = len(Backend.requests) // 2
        client.close()
        fsync = bare_fsync(folder)
    totals, owns, costs = zip(*rows)
    print(f"{options.runs} recoveries of {requests} requests each; a bare fdatasync of 4 KiB takes {fsync:.2f} ms here (median)")
    print(f"{'':24}{'median':>10}{'p95':>10}")
    for name, values in (("whole call, ms", totals), ("its requests alone, ms", owns), ("cost of the engine, ms", costs)):
        print(f"{name:24}{statistics.median(values):10.2f}{percentile(values, 95):10.2f}")
    within = percentile(costs, 95) < options.limit_ms
    print(f"{'within' if within else 'OVER'} the limit of {options.limit_ms:g} ms at the 95th percentile")
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
