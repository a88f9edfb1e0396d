"""The code archive holds what the job needs and nothing that must stay at home."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.cli.results import save
from awsrun.jobs.report.page import page
from awsrun.jobs.submit import pack


def write(root: Path, *names: str, text: str = "x = 1\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def project(archive: pack.Archive) -> list[str]:
    return [name.removeprefix("project/") for name in archive.files if name.startswith("project/")]


def test_without_git_the_jobs_folder_is_packed_without_secrets(tmp_path: Path) -> None:
    write(
        tmp_path, "job.py", "lib/util.py", "data.csv", ".env", ".env.local", "prod.env", "server.pem", "id_rsa", "a.key"
    )
    write(tmp_path, ".aws/credentials", ".git/config", "myenv/pyvenv.cfg", "myenv/lib/site.py", ".venv/x.py")
    write(tmp_path, "__pycache__/job.pyc", "node_modules/x.js", "credentials.json")
    archive = pack.collect(tmp_path / "job.py")
    assert project(archive) == ["data.csv", "job.py", "lib/util.py"]
    assert (archive.job, archive.commit) == ("job.py", "")


def test_in_git_the_repository_counts_and_what_it_ignores_stays(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, "jobs/job.py", "lib/tracked.py", "lib/gone.py", "ignored.bin", ".env")
    write(tmp_path, ".gitignore", text="ignored.bin\n")
    git(tmp_path, "add", "jobs", "lib", ".gitignore")
    git(tmp_path, "add", "-f", ".env")
    git(tmp_path, "commit", "-q", "-m", "first")
    (tmp_path / "lib/gone.py").unlink()
    write(tmp_path, "lib/untracked.py")
    archive = pack.collect(tmp_path / "jobs" / "job.py")
    assert project(archive) == [".gitignore", "jobs/job.py", "lib/tracked.py", "lib/untracked.py"]
    assert archive.job == "jobs/job.py"
    assert len(archive.commit) == 40
    assert archive.dirty == ("lib/untracked.py",)


def test_an_ignored_job_file_is_packed_all_the_same(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, ".gitignore", text="scratch/\n")
    write(tmp_path, "scratch/job.py", "scratch/other.py")
    assert project(pack.collect(tmp_path / "scratch/job.py")) == [".gitignore", "scratch/job.py"]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_of_runs_are_not_packed_and_others_are(tmp_path: Path, suffix: str) -> None:
    pyplot = pytest.importorskip("matplotlib.figure")
    write(tmp_path, "job.py")
    write(tmp_path, f"data.{suffix}", "page.html", text="a template of the job's own")
    before = pack.collect(tmp_path / "job.py").zipped().sha256
    save(lambda: pyplot.Figure(), str(tmp_path / f"heat.{suffix}"))
    write(tmp_path, "report.html", text=page({"run": {"id": "job-1123-1432-k3f"}}))
    archive = pack.collect(tmp_path / "job.py")
    assert project(archive) == sorted([f"data.{suffix}", "job.py", "page.html"])
    assert archive.zipped().sha256 == before, "the same code as before the run was looked at"


def test_the_worker_travels_and_runs_without_the_rest(tmp_path: Path) -> None:
    write(tmp_path, "job.py")
    archive = pack.collect(tmp_path / "job.py")
    own = [name for name in archive.files if name.startswith("awsrun/")]
    assert {"awsrun/__init__.py", "awsrun/worker/protocol/space.py"} <= set(own)
    assert all(name == "awsrun/__init__.py" or name.startswith("awsrun/worker/") for name in own)


def test_the_same_contents_make_the_same_archive(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, "job.py", "lib/util.py")
    one, other = (pack.collect(tmp_path / folder / "job.py") for folder in ("a", "b"))
    assert one.zipped() == other.zipped()
    write(tmp_path / "b", "lib/util.py", text="x = 2\n")
    assert pack.collect(tmp_path / "b" / "job.py").zipped().key != one.zipped().key
    (tmp_path / "a" / "lib" / "util.py").chmod(0o755)
    assert pack.collect(tmp_path / "a" / "job.py").zipped() != other.zipped(), (
        "the executable bit belongs to the contents"
    )


def test_links_within_the_project_stand_for_their_targets(tmp_path: Path) -> None:
    write(tmp_path, "job.py", "lib/util.py", ".env")
    (tmp_path / "alias.py").symlink_to("lib/util.py")
    (tmp_path / "linked").symlink_to("lib")
    (tmp_path / "harmless.txt").symlink_to(".env")
    archive = pack.collect(tmp_path / "job.py")
    assert project(archive) == ["alias.py", "job.py", "lib/util.py", "linked/util.py"]
    with zipfile.ZipFile(io.BytesIO(archive.zipped().data)) as packed:
        assert packed.read("project/linked/util.py") == b"x = 1\n"


@pytest.mark.parametrize("target", ["/etc/hostname", "/etc"])
def test_a_link_that_leaves_the_project_is_refused(tmp_path: Path, target: str) -> None:
    write(tmp_path, "job.py")
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(AwsrunError, match="out is a link that leaves the project"):
        pack.collect(tmp_path / "job.py")


def test_size_is_warned_of_and_then_refused(tmp_path: Path) -> None:
    write(tmp_path, "job.py")
    assert pack.collect(tmp_path / "job.py").warning == ""
    (tmp_path / "weights.bin").write_bytes(bytes(6_000_000))
    assert "weights.bin 6.0 MB" in pack.collect(tmp_path / "job.py").warning
    (tmp_path / "more.bin").write_bytes(bytes(45_000_000))
    with pytest.raises(AwsrunError, match=r"more than 50\.0 MB\nmore\.bin 45\.0 MB"):
        pack.collect(tmp_path / "job.py")


def test_an_extra_file_outside_the_project_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "p/job.py", "requirements.txt")
    with pytest.raises(AwsrunError, match="outside the project"):
        pack.collect(tmp_path / "p/job.py", [tmp_path / "requirements.txt"])


def test_the_diff_is_of_packed_tracked_files_alone(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, "job.py", "clean.py", "prod.env")
    git(tmp_path, "add", "-f", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    assert pack.collect(tmp_path / "job.py").diff() == b""
    write(tmp_path, "job.py", "new.py", text="x = 2\n")
    write(tmp_path, "prod.env", text="PASSWORD=hunter2\n")
    diff = pack.collect(tmp_path / "job.py").diff().decode()
    assert "-x = 1\n+x = 2\n" in diff
    assert "diff --git a/job.py" in diff
    assert "new.py" not in diff, "it is in the archive as a whole"
    assert "hunter2" not in diff
    (tmp_path / "job.py").write_bytes(b"\xff" * pack.MOST_DIFF)
    assert pack.collect(tmp_path / "job.py").diff() == b"", "too long to be read by anybody"
