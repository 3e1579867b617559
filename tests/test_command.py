import argparse
import errno

import pytest

from experiment import command


def ended(main):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        command.run(main)
    return ended.value.code


def raising(error):
    def main(argv):
        with command.user_errors():
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


def test_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(raising(ZeroDivisionError()))


def test_interrupted_command_says_so(capsys):
    assert ended(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "error: interrupted; nothing was lost.\n"


def test_exit_code_of_the_command_itself_is_kept():
    assert ended(raising(SystemExit(command.PREEMPTED))) == 42


def test_flag_that_was_not_given_is_not_checked():
    command.check_positive(argparse.Namespace(beam_size=None, n_best=1), "beam_size", "n_best")
    with pytest.raises(ValueError, match=r"^--n_best=0 must be at least 1\.$"):
        command.check_positive(argparse.Namespace(n_best=0), "n_best")
