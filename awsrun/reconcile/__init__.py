"""Makes AWS look like a spec, and takes it away again.  AWS itself is the state: owner tags and names find everything.

`api` is what commands and Python users call; `apply` and `teardown` are the two engines over `awsrun.resources`.
"""
