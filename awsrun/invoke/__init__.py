"""Calling the functions of stacks: one, or many at once."""
