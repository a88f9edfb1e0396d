"""What travels into a run's containers: the standard library and boto3 are all that it needs.

The supervisor and its threads are here, the job's own process is in :mod:`awsrun.worker.job`, and what they share a
run by in :mod:`awsrun.worker.protocol`, with which :mod:`awsrun.jobs` reads and writes a run's records on the laptop.
"""
