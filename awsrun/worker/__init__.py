"""What travels into a run's containers: the standard library and boto3 are all that it needs.

On the laptop, :mod:`awsrun.jobs` reads and writes a run's records with the same modules.
"""
