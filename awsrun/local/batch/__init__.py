"""AWS Batch, ours instead of moto's: jobs run as processes of this machine."""
