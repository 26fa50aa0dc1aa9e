"""Run one command and say what it cost: the last line on standard output is JSON.

    python measure.py PROGRAM [ARGUMENT …]

Memory is the largest resident set of the process and of those it waited for. A small process of its own starts the
command, because a child's peak begins with the size of its parent.
"""

import json
import os
import sys
import time

started = time.monotonic()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - started
exit_code = os.waitstatus_to_exitcode(status)
kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print(
    json.dumps(
        {
            "processSeconds": seconds,
            "cpuSeconds": usage.ru_utime + usage.ru_stime,
            "peakMB": kilobytes / 1024,
            "exitCode": exit_code,
        }
    )
)
sys.exit(exit_code)
