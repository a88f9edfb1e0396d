"""ECS in the embedded cloud: clusters, task definitions, services, and tasks that really run."""
