"""What can stop training that is not a bug; each message says what was wrong and what would do."""

from netdsl.exits import INPUT_OUTPUT_FAILED, PROGRAM_HAS_ERRORS, WRONG_USAGE, Failure


class RunRefused(Failure):
    """What was asked for doesn't fit together: network and data, or a run and its folder."""

    exit_code = WRONG_USAGE


class RunDamaged(Failure):
    """A run's folder can't be read or written."""

    exit_code = INPUT_OUTPUT_FAILED


class NotFinite(Failure):
    """The loss became infinite or not a number."""

    exit_code = PROGRAM_HAS_ERRORS


class Interrupted(Failure):
    """A signal asked to stop; the run was saved and can go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        # As shells count a process that a signal ended.
        self.exit_code = 128 + signal_number
