# SPDX-License-Identifier: GPL-2.0-or-later
"""A Prometheus with node_exporters that collect text files, as a fleet has them."""
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

SCRAPE_SECONDS = 0.5


def programs(directory):
    """Where the programs are; ends the test where they cannot be had."""
    result = subprocess.run(
        [os.path.join(kvmtest.SOURCE_DIR, "tests", "lib", "prometheus-programs"), directory],
        stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode == 77:
        print(result.stdout, end="")
        sys.exit(77)
    assert result.returncode == 0, result
    return result.stdout.strip()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, seconds=5):
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        return answer.read().decode("utf-8")


class Server:
    """A program that serves a port. Should somebody take the port first, it tries another one."""

    def __init__(self, log, ready, make_command):
        for _ in range(3):
            self.port = free_port()
            with open(log, "ab") as f:
                self.process = subprocess.Popen(make_command(self.port), stdout=f, stderr=f)
            if self.wait(ready):
                return
        with open(log, encoding="utf-8") as f:
            raise AssertionError(f"cannot be started:\n{f.read()[-3000:]}")

    def wait(self, ready):
        def answers():
            with contextlib.suppress(OSError):
                get(f"http://127.0.0.1:{self.port}{ready}", 1)
                return True
            return self.process.poll() is not None
        kvmtest.until(answers, f"{self.process.args[0]} serves or ends", 30)
        if self.process.poll() is None:
            return True
        self.process.wait()
        return False

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class OpenMetricsServer:
    """Serves `text` as OpenMetrics, as an exporter does that is scraped itself."""

    def __init__(self, text):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                self.send_response(200)
                self.send_header("Content-Type",
                                 "application/openmetrics-text; version=1.0.0; charset=utf-8")
                self.end_headers()
                self.wfile.write(text.encode("utf-8"))

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class Monitoring:
    """Prometheus, a node_exporter for each name of `hosts`, and other targets {name: port}."""

    def __init__(self, bin_dir, directory, hosts, others=None):
        self.bin_dir, self.directory = bin_dir, directory
        self.servers = []
        try:
            targets = dict(others or {})
            for host in hosts:
                os.mkdir(self.textfiles(host))
                targets[host] = self.start_exporter(host)
            self.start_prometheus(targets)
        except BaseException:
            self.end()
            raise

    def textfiles(self, host):
        return os.path.join(self.directory, host)

    def start_exporter(self, host):
        server = Server(
            os.path.join(self.directory, f"{host}.log"), "/metrics", lambda port: [
                os.path.join(self.bin_dir, "prometheus-node-exporter"),
                "--collector.disable-defaults", "--collector.textfile",
                f"--collector.textfile.directory={self.textfiles(host)}",
                f"--web.listen-address=127.0.0.1:{port}"])
        self.servers.append(server)
        return server.port

    def start_prometheus(self, targets):
        config = os.path.join(self.directory, "prometheus.json")
        with open(config, "w", encoding="ascii") as f:
            json.dump({"global": {"scrape_interval": f"{int(SCRAPE_SECONDS * 1000)}ms",
                                  "scrape_timeout": f"{int(SCRAPE_SECONDS * 1000)}ms"},
                       "scrape_configs": [{"job_name": "node", "static_configs": [
                           {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}}
                           for name, port in targets.items()]}]}, f)  # YAML is a superset of JSON
        self.prometheus = Server(
            os.path.join(self.directory, "prometheus.log"), "/-/ready", lambda port: [
                os.path.join(self.bin_dir, "prometheus"), f"--config.file={config}",
                f"--storage.tsdb.path={os.path.join(self.directory, 'data')}",
                f"--web.listen-address=127.0.0.1:{port}"])
        self.servers.append(self.prometheus)

    def end(self):
        while self.servers:
            self.servers.pop().end()

    def api(self, path, **parameters):
        url = (f"http://127.0.0.1:{self.prometheus.port}/api/v1/{path}?"
               + urllib.parse.urlencode(parameters))
        try:
            answer = json.loads(get(url))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """[(labels, value)] as of now."""
        return [(item["metric"], float(item["value"][1]))
                for item in self.api("query", query=expression)["result"]]

    def value(self, expression):
        """The one value of an expression, or None."""
        result = self.query(expression)
        assert len(result) <= 1, f"{expression}: {result}"
        return result[0][1] if result else None

    def until_value(self, expression, wanted, seconds=20):
        seen = []

        def there():
            seen[:] = [self.value(expression)]
            return seen[0] == wanted
        try:
            kvmtest.until(there, f"{expression} is {wanted}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {seen[0]}") from error

    def check(self, text):
        """What promtool says of metrics in the text format; nothing when all is well."""
        result = subprocess.run([os.path.join(self.bin_dir, "promtool"), "check", "metrics"],
                                input=text, capture_output=True, text=True, check=False)
        # A tracepoint of the kernel's is named kvm_halt_poll_ns and counts events.
        complaints = [line for line in (result.stdout + result.stderr).splitlines()
                      if line and not re.match(r"kvm_halt_poll_ns_total ", line)]
        assert result.returncode == 0 or result.returncode == 3, result
        return complaints


class Dashboard:
    """The panels' queries, for all hosts and guests."""

    def __init__(self):
        path = os.path.join(kvmtest.SOURCE_DIR, "packaging", "grafana", "kvm-host.json")
        with open(path, encoding="utf-8") as f:
            self.content = json.load(f)

    def queries(self):
        """[(title, expression)] as Grafana would send them, over 20 seconds."""
        for panel in self.content["panels"]:
            for target in panel["targets"]:
                yield panel["title"], re.sub(
                    r"\$(__rate_interval|\w+)",
                    lambda match: "20s" if match[1] == "__rate_interval" else ".*",
                    target["expr"])

    def metrics(self):
        return {name for _, expression in self.queries()
                for name in re.findall(r"\b((?:kvm|node)_\w+)",
                                       re.sub(r'"[^"]*"', "", expression))}
