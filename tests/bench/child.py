#!/usr/bin/python3
"""child.py DESCRIPTOR COMMAND…: run it with our input and output; then one line of JSON to that descriptor: its status, its seconds
from start to end, its seconds of processor, and its peak memory.

A process of its own, because the kernel hands down a process's peak to the child that it forks, and exec keeps it: measured from the
benchmark itself, with its million rows, each program would seem as large as that. What is here before is 10 MB.
"""
import json
import os
import sys
import time

told, command = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(told, False)
since = time.perf_counter()
child = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - since
os.write(told, json.dumps({"status": os.waitstatus_to_exitcode(status), "seconds": seconds,
                        "processor_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}).encode())
