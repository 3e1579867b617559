import subprocess
import sys

import pytest

from experiment.data.atomic import new_folder, write_file


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_file(path, b"first")
    write_file(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_file(tmp_path / "taken", b"content")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_a_folder_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "folder"
    with new_folder(path) as temporary:
        (temporary / "file").write_text("content")
        assert not path.exists()
    assert (path / "file").read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_a_block_that_raises_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "folder"
    code = (
        "import os, pathlib, signal, sys\n"
        "from experiment.data.atomic import new_folder\n"
        "with new_folder(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    (temporary / 'file').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left != path
    with new_folder(path) as temporary:
        assert list(tmp_path.iterdir()) == [temporary]


def test_half_a_file_that_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "file"
    code = (
        "import os, pathlib, signal, sys\n"
        "from experiment.data.atomic import write_file\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_file(pathlib.Path(sys.argv[1]), b'half')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left != path
    write_file(path, b"whole")
    assert list(tmp_path.iterdir()) == [path]


def test_the_first_of_two_writers_keeps_its_folder(tmp_path):
    path = tmp_path / "folder"
    with new_folder(path) as slow:
        (slow / "file").write_text("slow")
        with new_folder(path) as fast:
            (fast / "file").write_text("fast")
    assert (path / "file").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_gone_is_not_made_anew(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        write_file(tmp_path / "gone" / "file", b"content")
    assert raised.value.filename == str(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []
