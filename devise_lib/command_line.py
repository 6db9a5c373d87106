"""The command line that all jobs share. It imports nothing that is slow to import."""

import argparse
import json
import pkgutil
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from devise_lib.config.loader import Settings, load_settings
from devise_lib.config.types import JobConfig
from devise_lib.errors import ConfigError, InputError
from devise_lib.reasons import Reason

# The last line of a stack trace, if the error is of this library.
WORKER_ERROR = re.compile(r"^(devise_lib\.(?:\w+\.)+\w+): (.*)$", re.MULTILINE)
HANDLED = "During handling of the above exception, another exception occurred:"
EXIT_USAGE = 2  # an error in the configuration or the command line
EXIT_FAILED = 1


def check_command_line(config_type: type[JobConfig], argv: Sequence[str] | None = None) -> Settings:
    """Returns the settings by a job's command line and configuration file.

    A job calls this before it imports Spark, MLflow and TensorFlow, which takes seconds. `--help`
    and errors in the configuration are therefore answered at once.

    It exits with status 2 for an invalid command line or configuration, and with 0 after `--help`.

    Args:
        config_type: the configuration model of the job.
        argv: the arguments; None for those of the process.
    """
    args = _parse(config_type, argv)
    name = config_type.name
    with exit_on_input_error(name):
        overrides = list(args.set)
        if getattr(args, "retry", None):
            overrides.append(f"{name}.retry={json.dumps(args.retry)}")
        settings = load_settings(args.config, overrides, [name])
        if name not in settings.jobs:
            raise ConfigError(
                f"{args.config} has no table [{name}]: add it, empty "
                f"if you like, or give one of its keys by --set"
            )
    return settings


def _parse(config_type: type[JobConfig], argv: Sequence[str] | None) -> argparse.Namespace:
    parser = job_parser(config_type.name, config_type.__doc__ or "")
    if "retry" in config_type.model_fields:
        parser.add_argument(
            "--retry",
            action="append",
            default=[],
            choices=[reason.value for reason in Reason],
            metavar="CLASS",
            help=f"take photos refused for this reason again: {', '.join(Reason)}",
        )
    return parser.parse_args(argv)


def job_parser(name: str, about: str) -> argparse.ArgumentParser:
    """Returns a parser with the arguments that jobs and the pipeline share."""
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="JOB.KEY=VALUE, or a common KEY",
    )
    return parser


class exit_on_input_error:
    """A context manager that ends the program with a message for the user's own mistakes.

    All other errors pass through.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        if error is None or not isinstance(error, Exception):
            return
        own = find_input_error(error)
        if own is not None:
            exit_with_error(self.name, own)


def exit_with_error(name: str, error: InputError) -> NoReturn:
    """Prints the message and exits with the status of its kind."""
    print(f"{name}: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED)


def find_input_error(error: BaseException) -> InputError | None:
    """Returns the user's own mistake behind an error, also if it was raised on a Spark worker.

    Only an error that was raised `from` the mistake counts. An error that was raised while a
    mistake was being handled is a fault of this library and keeps its stack trace. A worker's error
    reaches the driver as the text of a stack trace.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, InputError):
            return seen
        found = WORKER_ERROR.search(str(seen).rpartition(HANDLED)[2])
        if found and _is_input_error(found[1]):
            return InputError(found[2])
        seen = seen.__cause__
    return None


def _is_input_error(name: str) -> bool:
    """Returns whether a class, by its dotted name, is one of the user's own mistakes."""
    try:
        return issubclass(pkgutil.resolve_name(name), InputError)
    except (ImportError, AttributeError, TypeError):
        return False
