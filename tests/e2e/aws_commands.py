"""Many ``aws`` commands in one process: a JSON list of arguments a line comes in, ``[code, out, err]`` a line goes out.

It is Amazon's own client, whose start (half a second of computing) is paid once, not for each of thirty lists.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver

driver = create_clidriver()
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = driver.main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
