"""Files and folders that a spec names: relative to the spec's own folder, so that it means the same from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

FOLDER = "folder"  # of the validation context: where relative paths start


def placed(value: str, info: ValidationInfo) -> Path:
    """The path that a spec's ``value`` means."""
    return Path((info.context or {}).get(FOLDER) or Path.cwd()) / Path(value).expanduser()


def _file(value: str, info: ValidationInfo) -> str:
    path = placed(value, info)
    if not path.is_file():
        raise ValueError(f"there is no file {path}" if not path.is_dir() else f"{path} is a folder, not a file")
    return str(path)


def _folder(value: str, info: ValidationInfo) -> str:
    path = placed(value, info)
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}" if not path.exists() else f"{path} is a file, not a folder")
    return str(path)


def _new(value: str, info: ValidationInfo) -> str:
    path = placed(value, info)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a file")
    return str(path.absolute())


FilePath = Annotated[str, AfterValidator(_file)]
FolderPath = Annotated[str, AfterValidator(_folder)]
NewPath = Annotated[str, AfterValidator(_new)]  # of a file that is made when it is needed
