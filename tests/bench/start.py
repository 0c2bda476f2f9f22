"""start_ms: from the start of the process until it is ready, beside nginx."""
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

from bench_site import Site, Trouble, remove_folder
from row import Row

REPEATS = 10

NGINX = """daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen unix:{socket}; return 204; }}
}}
"""


class Start(Row):
    """The middle of ten starts a round, each on the state that the one before left."""
    name = "start_ms"
    unit = "ms"
    better = "less"
    peer_name = "nginx, one worker, until it answers a request"
    note = "ours: until READY=1, one action's worker included; files are in the page cache"

    def prepare(self):
        self.nginx_folder = None
        database = self.folder.parent / "start.db"
        sqlite3.connect(database).close()
        self.site = Site(self.build, self.folder, self.build / "tests" / "plugins", database, {"null": {"plugin": "nothing"}})
        self.site.start()
        self.site.stop()
        self.nginx_folder = tempfile.mkdtemp(prefix="cd-bench-")
        self.socket = os.path.join(self.nginx_folder, "s")
        self.configuration = os.path.join(self.nginx_folder, "nginx.conf")
        with open(self.configuration, "w") as file:
            file.write(NGINX.format(folder=self.nginx_folder, socket=self.socket))

    def ours(self):
        times = []
        for _ in range(REPEATS):
            times.append(self.site.start())
            self.site.stop()
        return sorted(times)[REPEATS // 2] * 1000

    def peer(self):
        times = []
        for _ in range(REPEATS):
            since = time.perf_counter()
            process = subprocess.Popen(["nginx", "-p", self.nginx_folder, "-c", self.configuration],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.wait_for_answer(process, since + 10)
            times.append(time.perf_counter() - since)
            process.send_signal(signal.SIGTERM)
            process.wait()
        return sorted(times)[REPEATS // 2] * 1000

    def wait_for_answer(self, process, end):
        while time.perf_counter() < end and process.poll() is None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                try:
                    client.connect(self.socket)
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    if client.recv(64).startswith(b"HTTP/1"):
                        return
                except OSError:
                    time.sleep(0.0002)
        process.kill()
        process.wait()
        raise Trouble("nginx did not start; is nginx-light installed?")

    def close(self, keep):
        if getattr(self, "site", None):
            self.site.close(keep)
        if getattr(self, "nginx_folder", None):
            remove_folder(self.nginx_folder)


def rows(build, folder):
    return [Start(build, folder)]
