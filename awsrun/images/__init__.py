"""Container images: what goes into one (`recipe`), the Docker engine that there is (`engine`), building and pushing
(`build`).  Knows Docker and files, nothing of AWS.
"""
