"""Starts a Milvus server for a test, where nothing outside this machine can reach it.

Milvus listens on all interfaces. So this runs in a network namespace of its own, which has a loopback device and nothing
else, and two sockets in the test's folder lead to Milvus' two ports. Commands arrive on standard input: "start", "kill". When
it closes, because the test has ended in whatever way, Milvus is killed.

usage: servers.py FOLDER
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

from milvus import MilvusServer, MilvusServerConfig

PORTS = (19530, 9091)
FOLDER = sys.argv[1]


def raise_loopback():
    up = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, up)  # SIOCSIFFLAGS


def pump(a, b):
    try:
        while data := a.recv(1 << 16):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def relay(port):
    path = os.path.join(FOLDER, f"{port}.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    while True:
        ours, _ = listener.accept()
        try:
            theirs = socket.create_connection(("127.0.0.1", port))
        except OSError:
            ours.close()
            continue
        for pair in ((ours, theirs), (theirs, ours)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def prepare():
    """Lets the package unpack its programs and write its configuration, without starting anything."""
    config = MilvusServerConfig(data_dir=FOLDER)
    config.set("authorization_enabled", True)
    config.set("common.session.ttl", 5)
    config.set("common.session.retryTimes", 30)
    config.set("proxy.http.enabled", True)
    config.resolve()
    import milvus

    milvus._initialize_data_files(FOLDER)


def start():
    program = os.path.join(FOLDER, "bin", "milvus")
    environment = dict(
        os.environ,
        DEPLOY_MODE="STANDALONE",
        METRICS_PORT="9091",
        MILVUS_RUN_DIR=os.path.join(FOLDER, "run"),
        LD_LIBRARY_PATH=os.path.join(FOLDER, "bin"),
    )

    def die_with_us():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    log = open(os.path.join(FOLDER, "log"), "ab")
    return subprocess.Popen(
        [program, "run", "standalone"], cwd=FOLDER, env=environment, stdout=log, stderr=log, preexec_fn=die_with_us
    )


def healthy():
    try:
        with urllib.request.urlopen("http://127.0.0.1:9091/healthz", timeout=2) as answer:
            return b"OK" in answer.read()
    except OSError:
        return False


def main():
    raise_loopback()
    for port in PORTS:
        threading.Thread(target=relay, args=(port,), daemon=True).start()
    prepare()
    server = None
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "start":
            deadline = time.time() + 180
            while time.time() < deadline:
                if server is None or server.poll() is not None:
                    server = start()  # it ends by itself while the leases of a killed one still hold
                    time.sleep(1)
                if healthy():
                    break
                time.sleep(0.5)
            print("started" if healthy() else "failed", flush=True)
        elif server is not None:
            server.kill()
            server.wait()
            print("killed", flush=True)
    if server is not None:
        server.kill()
        server.wait()


main()
