"""What is known of a run: read from its table, its workers' service, its logs and its bucket."""
