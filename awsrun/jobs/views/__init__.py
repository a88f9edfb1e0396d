"""Runs as tables and pictures, in shells, files and notebooks."""
