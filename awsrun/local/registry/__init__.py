"""The registry of the embedded ECR: images are really pushed to it and pulled from it, by Docker or any other client.

Layers are files (`layers`), manifests are moto's images (`catalog`), so that ECR's API and the registry always say the
same; `http` speaks the OCI distribution protocol, `ecr` makes ECR's API point here.
"""
