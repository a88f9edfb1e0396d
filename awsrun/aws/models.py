"""botocore's models of AWS's services, found and read without what takes botocore most of its time."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import Loader, create_loader

from awsrun.aws.paths import cache_dir


def loader(more: str | None) -> Any:
    """A loader for a botocore session, botocore's own but for two answers.

    Args:
        more: where else models are, as ``data_path`` of AWS's configuration has it.
    """
    found = create_loader(more)
    found.file_loader = _Files(cache_dir() / "models" / botocore.__version__)

    def folders(type_name: str) -> Sequence[str]:
        """Every folder may be a service's; botocore looks into all 400 of them, twice, before it reads one."""
        return [name for path in found.search_paths if os.path.isdir(path) for name in os.listdir(path)]

    found.list_available_services = folders
    return found


class _Files:
    """Reads the files of models; botocore's own without their documentation, which is three quarters of them.

    EC2's, which each command that has to do with EC2 reads, takes botocore 60 ms, and 7 ms from here.

    Args:
        kept: where models without documentation are kept, each once it was asked for.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept

    def exists(self, path: str) -> bool:
        """Whether there is a JSON file ``path`` (without its ending), packed or not."""
        return os.path.isfile(f"{path}.json") or os.path.isfile(f"{path}.json.gz")

    def load_file(self, path: str) -> Any:
        """What the JSON file ``path`` (without its ending) holds; None where there is none."""
        if not (path.startswith(Loader.BUILTIN_DATA_PATH) and path.endswith("service-2")):
            return _read(path)
        kept = self._kept / ("-".join(Path(path).parts[-3:-1]) + ".json")
        with suppress(OSError, ValueError):
            return json.loads(kept.read_bytes())
        found = _undocumented(_read(path))
        with suppress(OSError):  # no room, or nowhere to write: it is read as it is again
            self._keep(kept, json.dumps(found, separators=(",", ":")))
        return found

    def _keep(self, file: Path, text: str) -> None:
        if not self._kept.exists():
            shutil.rmtree(self._kept.parent, ignore_errors=True)  # those of another botocore
            self._kept.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(f".{os.getpid()}")
        new.write_text(text)
        new.replace(file)


def _read(path: str) -> Any:
    with suppress(FileNotFoundError):
        return json.loads(Path(f"{path}.json").read_bytes())
    with suppress(FileNotFoundError):
        return json.loads(gzip.decompress(Path(f"{path}.json.gz").read_bytes()))
    return None


def _undocumented(model: Any) -> Any:
    """``model`` with empty texts for people; what is called so and is no text is a field of the service's."""
    if isinstance(model, dict):
        text = model.get("documentation")
        rest = {key: _undocumented(value) for key, value in model.items()}
        return {**rest, "documentation": ""} if isinstance(text, str) else rest
    if isinstance(model, list):
        return [_undocumented(one) for one in model]
    return model
