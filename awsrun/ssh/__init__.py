"""Reaching the servers of stacks with the system's own ``ssh``: which is meant, is it up, may we in, by what key."""
