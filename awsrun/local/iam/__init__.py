"""IAM for the embedded cloud: who calls, which rights a call takes, and whether policies give them.

moto's own enforcement is not used: version 5.2 denies an ARN-scoped Allow on a DynamoDB table, and its denials have
the code "403" in JSON and REST services.
"""
