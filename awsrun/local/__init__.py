"""The embedded cloud: moto's server in a process of its own, extended until jobs really run and state survives.

Nothing in awsrun imports this package but ``awsrun local``; everything else sees an endpoint URL.
"""
