"""Packages of Lambda functions, made on this machine: the same files make the same package everywhere."""
