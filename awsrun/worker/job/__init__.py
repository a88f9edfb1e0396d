"""What happens in the job's own process: its file is imported, and trials are run, each in a fork."""
