import argparse
import errno

import pytest

from experiment import command


def ended(main):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        command.run(main)
    return ended.value.code


def raising(error, errors=command.user_errors):
    def main(argv):
        with errors():
            raise error

    return main


def test_command_that_is_done_exits_with_0():
    assert ended(lambda argv: None) == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("seed=-1 must be at least 0."), "error: seed=-1 must be at least 0.\n"),
        (ValueError("two\nlines"), "error: two lines\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/full/run"),
            "error: /full/run: Permission denied\n",
        ),
        (OSError("something"), "error: something\n"),
    ],
)
def test_users_error_is_one_line_and_exit_code_2(error, said, capsys):
    assert ended(raising(error)) == 2
    assert capsys.readouterr() == ("", said)


DISK_IS_FULL = OSError(errno.ENOSPC, "No space left on device", "/full/run")
GOES_ON = (
    "What was saved before is whole; once this is mended, the same command goes on from there."
)


def test_disk_that_is_full_is_no_users_error(capsys):
    assert ended(raising(DISK_IS_FULL)) == 5
    assert capsys.readouterr().err == "error: /full/run: No space left on device\n"


@pytest.mark.parametrize("error", [DISK_IS_FULL, PermissionError(errno.EACCES, "No", "/run")])
def test_any_files_error_is_the_machines_once_all_was_checked(error, capsys):
    assert ended(raising(error, command.machine_errors)) == 5
    said = f"error: {error.filename}: {error.strerror}. {GOES_ON}\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("errors", [command.user_errors, command.machine_errors])
def test_reader_that_goes_away_is_left_to_the_command(errors):
    with pytest.raises(BrokenPipeError), errors():
        raise BrokenPipeError


def test_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(raising(ZeroDivisionError()))


def test_interrupted_command_says_so(capsys):
    assert ended(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "error: interrupted; nothing was lost.\n"


def test_exit_code_of_the_command_itself_is_kept():
    assert ended(raising(SystemExit(command.PREEMPTED))) == 42


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--beam_size=two"], "argument --beam_size: invalid int value: 'two'"),
        (["--length_penalty=long"], "argument --length_penalty: invalid float value: 'long'"),
        (["--beam=2"], "unrecognized arguments: --beam=2"),
    ],
)
def test_flag_that_cannot_be_read_is_one_line_and_exit_code_2(argv, said, capsys):
    arguments = command.parser("Decodes.")
    command.add_decode(arguments)
    assert ended(lambda _: arguments.parse_args(argv)) == 2
    assert capsys.readouterr() == (
        "",
        f"error: {said}. --help says what there is.\n",
    )


def test_flag_that_was_not_given_is_not_checked():
    command.check_positive(argparse.Namespace(beam_size=None, n_best=1), "beam_size", "n_best")
    with pytest.raises(ValueError, match=r"^--n_best=0 must be at least 1\.$"):
        command.check_positive(argparse.Namespace(n_best=0), "n_best")
