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


def flags_of_processes(*argv):
    arguments = command.parser("")
    command.add_processes(arguments)
    return arguments.parse_args(argv)


@pytest.mark.parametrize(
    "address",
    ["host", "host:", "host:0", "host:65536", ":80", "[]:80", "host:x", "host:²", "a..b:80"],
)
def test_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError) as refused:
        command.parse_address(address)
    assert str(refused.value) == (
        f"--coordinator={address} must be HOST:PORT, where process 0 listens, with a port from 1 "
        "to 65535, as in 10.0.0.2:8476."
    )


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--coordinator=a:1"], "missing: --num_processes, --process_id. Give all three"),
        (["--process_id=0"], "missing: --coordinator, --num_processes. Give all three"),
        (
            ["--coordinator=a:1", "--num_processes=0", "--process_id=0"],
            "--num_processes=0 must be at least 1",
        ),
        (
            ["--coordinator=a:1", "--num_processes=2", "--process_id=2"],
            "--process_id=2 must be from 0 to 1, as --num_processes=2.",
        ),
    ],
)
def test_flags_of_processes_that_make_no_sense_are_refused(argv, why):
    with pytest.raises(ValueError, match=why):
        command.processes_of(flags_of_processes(*argv))


def test_flags_of_processes_are_all_given_or_none():
    assert command.processes_of(flags_of_processes()) == (None, None, None)
    given = ("--coordinator=a:1", "--num_processes=2", "--process_id=0")
    assert command.processes_of(flags_of_processes(*given)) == ("a:1", 2, 0)
