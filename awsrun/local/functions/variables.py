"""What a function finds in its environment.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html.  AWS_LAMBDA_RUNTIME_API is not there: what runs
here is always the embedded cloud's own runtime.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from awsrun.local.functions.definition import Definition

# Of the server's own environment only what this interpreter and its connections to the outside need.
_PASSED = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def of(
    definition: Definition,
    stream: str,
    endpoint: str,
    credentials: Mapping[str, str],
    code: Path,
    temporary: Path,
) -> dict[str, str]:
    """The environment of one execution environment; the function's own variables win over those that AWS lets them.

    Args:
        stream: the log stream.
        credentials: variables by which AWS's clients find them.
        code: where the deployment package is.
        temporary: what the function may write to, in place of ``/tmp``.
    """
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {
        **passed,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "LANG": "en_US.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # where the code is, nothing can be written
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        **definition.variables,
        **credentials,
        "AWS_CONFIG_FILE": os.devnull,  # the user's own are not the function's
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": definition.region,
        "AWS_DEFAULT_REGION": definition.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{definition.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": definition.name,
        "AWS_LAMBDA_FUNCTION_VERSION": definition.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(definition.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": definition.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": str(code),
        "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
        "TZ": ":UTC",
        "_HANDLER": definition.handler,
        "_X_AMZN_TRACE_ID": "",
    }


def modules(code: Path, layers: Sequence[Path]) -> str:
    """Where modules are looked for before anything else; of layers, those of the last win."""
    version = "python" + ".".join(platform.python_version_tuple()[:2])
    found = [code]
    for layer in reversed(layers):
        found += [layer / "python", layer / "python" / "lib" / version / "site-packages"]
    return os.pathsep.join(map(str, found))
