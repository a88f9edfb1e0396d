"""As hard as AWS: in-use errors, lists that lag, states that take their time, throttles, lost answers.

`layer.Strict` stands between a call and the services, one file of rules a service; `faults.Faults` stands between the
network and all of it.  Every behaviour names its source and has a contract test of its own.
"""
