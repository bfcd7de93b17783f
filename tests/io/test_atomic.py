"""A file is what it was or what it should be. Numbers are those of spec/BAD_INPUTS.md."""

import errno
import os
import stat
import subprocess
import sys

import pytest

from mdpkit.io import load, save
from mdpkit.io._atomic import atomic_write

SUFFIXES = pytest.mark.parametrize("suffix", [".npz", ".json"])


def test_a_block_that_ends_well_replaces_the_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def half():
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        half()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@SUFFIXES
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_bad_input_62_disk_full_leaves_the_old_file(
    tmp_path, monkeypatch, model, same, suffix, call
):
    path = tmp_path / f"m{suffix}"
    save(model(0, "dense"), path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left") as caught:
            save(model(1, "csr"), path)
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == [path.name]
    same(load(path), model(0, "dense"))


@SUFFIXES
def test_bad_input_61_killed_mid_write_leaves_the_old_file(tmp_path, model, same, suffix):
    path = tmp_path / f"m{suffix}"
    save(model(0, "dense"), path)
    code = (
        "import os, sys; from mdpkit.io import load, save\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), 9)\n"
        "save(load(sys.argv[1]), sys.argv[1])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert run.returncode == -9
    same(load(path), model(0, "dense"))


def test_a_new_file_gets_what_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "x"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "x"
    path.touch()
    path.chmod(0o600)
    with atomic_write(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_bad_input_55_a_link_is_replaced_and_its_target_kept(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"kept")
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"new")
    assert target.read_bytes() == b"kept"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_a_missing_folder_is_named(tmp_path, model):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere"):
        save(model(0, "dense"), tmp_path / "nowhere" / "m.npz")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(IsADirectoryError), atomic_write(tmp_path):
        pass
