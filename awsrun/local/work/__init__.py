"""What jobs of Batch and tasks of ECS run on: this machine, its processes or containers, and where output goes."""
