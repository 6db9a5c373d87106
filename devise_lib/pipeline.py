"""Runs the whole flow, or a part of it, in one Spark session.

python -m devise_lib.pipeline --config conf/local.toml [--from JOB] [--to JOB] [--only JOB]
    [--resume] [--set KEY=VALUE ...]
"""

import importlib.util
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from devise_lib.command_line import (
    EXIT_FAILED,
    exit_on_input_error,
    find_input_error,
    job_parser,
)
from devise_lib.config.loader import Settings, load_settings
from devise_lib.config.registry import JOBS
from devise_lib.config.types import JobConfig
from devise_lib.console import clock, print_line
from devise_lib.errors import ConfigError, InputError
from devise_lib.run_record import (
    InputState,
    JobRecord,
    fingerprint,
    read_inputs,
    read_record,
)

EXIT_INTERRUPTED = 130  # as in shells
NAMES = [job.name for job in JOBS]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the flow, or the part of it that the command line selects.

    Args:
        argv: the arguments; None for those of the process.
    """
    args = _parser_args(argv)
    with exit_on_input_error("pipeline"):
        jobs = choose_jobs(args.from_job, args.to_job, args.only)
        settings = load_settings(args.config, args.set, jobs)
        jobs = [job for job in jobs if job in settings.jobs]
        if not jobs:
            raise ConfigError(
                f"{args.config} has no table [{args.only or args.from_job}]: add it, empty if you "
                "like, or give one of its keys by --set"
            )
        started = time.monotonic()
        _run_flow(settings, jobs, args)
    print_line(f"done in {clock(time.monotonic() - started)}")
    if "report" in jobs:
        print_line(f"report: {settings.common.work_dir}/report/index.html")


def _run_flow(settings: Settings, jobs: Sequence[str], args: Namespace) -> None:
    from devise_lib import tracking  # these imports take seconds, so errors are found before
    from devise_lib.spark.job.entry import execute
    from devise_lib.spark.job.log import job_log, where_to_look
    from devise_lib.spark.platform.session import start_session
    from devise_lib.spark.tables.user_tables import table_state

    folder = find_jobs_folder()
    common = settings.common
    print_line(f"{len(jobs)} jobs, work folder {common.work_dir}{where_to_look(common)}")
    with job_log(common):
        spark = start_session("devise", settings.spark)
        tracking.connect(settings.common)
        with tracking.pipeline_run(args.config) as parent:

            def run_one(name: str) -> JobRecord:
                def run(session: Any, config: JobConfig) -> dict[str, int]:
                    return dict(load_job(folder, name).run(session, config))

                return execute(spark, run, settings.jobs[name], parent)  # includes the imports

            def is_finished(name: str) -> bool:
                return _is_finished(settings.jobs[name], partial(table_state, spark))

            _run_all(run_one, is_finished, jobs, args)


def choose_jobs(first: str | None, last: str | None, only: str | None) -> list[str]:
    """Returns the jobs of the flow from `first` to `last`, or only one, in their order.

    Args:
        first: None for the first of the flow.
        last: None for the last of the flow.
        only: the single job to run; None for a range.

    Raises:
        ConfigError: the range is empty, or `only` is combined with a range.
    """
    if only and (first or last):
        raise ConfigError("--only JOB stands alone: leave out --from and --to")
    start = NAMES.index(only or first or NAMES[0])
    stop = NAMES.index(only or last or NAMES[-1])
    if stop < start:
        raise ConfigError(f"--from {first} comes after --to {last} in the flow: exchange them")
    return NAMES[start : stop + 1]


def find_jobs_folder() -> Path:
    """Returns the folder jobs/, which is beside the package or in the current folder.

    Raises:
        InputError: there is none, as where only the wheel is installed.
    """
    for parent in (Path(__file__).parents[1], Path.cwd()):
        if (parent / "jobs" / "embed_photos.py").exists():
            return parent / "jobs"
    raise InputError("no folder jobs/ here: start from the folder of the sources, which holds it")


def load_job(folder: Path, name: str) -> ModuleType:
    """Loads the module jobs/NAME.py by its path, because the library imports no job."""
    spec = importlib.util.spec_from_file_location(f"jobs.{name}", folder / f"{name}.py")
    if spec is None or spec.loader is None:
        raise InputError(f"{folder / name}.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def resume_command(argv: Sequence[str], job: str) -> str:
    """Returns the command that resumes at `job`, with the other arguments of this call."""
    kept: list[str] = []
    skip = False
    for arg in argv:
        if skip:
            skip = False
        elif arg == "--from":
            skip = True
        elif not arg.startswith("--from="):
            kept.append(arg)
    only = "--only" in argv or any(arg.startswith("--only=") for arg in argv)
    start = [] if only else ["--from", job]
    return shlex.join([_this_python(), "-m", "devise_lib.pipeline", *kept, *start])


def _this_python() -> str:
    """Returns the running Python, relative to the current folder if it is below."""
    python, here = Path(sys.executable), Path.cwd()
    return str(python.relative_to(here) if python.is_relative_to(here) else python)


def _parser_args(argv: Sequence[str] | None) -> Namespace:
    parser = job_parser("pipeline", "Run the flow: " + ", ".join(NAMES))
    parser.add_argument("--from", dest="from_job", choices=NAMES, metavar="JOB", help="first job")
    parser.add_argument("--to", dest="to_job", choices=NAMES, metavar="JOB", help="last job")
    parser.add_argument("--only", choices=NAMES, metavar="JOB", help="only this job")
    parser.add_argument(
        "--resume", action="store_true", help="skip jobs that finished with the same input"
    )
    args = parser.parse_args(argv)
    args.argv = list(sys.argv[1:] if argv is None else argv)
    return args


def _run_all(
    run_one: Callable[[str], JobRecord],
    is_finished: Callable[[str], bool],
    jobs: Sequence[str],
    args: Namespace,
) -> None:
    for number, name in enumerate(jobs, start=1):
        head = f"[{number:2}/{len(jobs)}] {name:<17}"
        if args.resume and is_finished(name):
            print_line(f"{head} done before, unchanged")
            continue
        print_line(f"{head} ...", end="")
        try:
            record = run_one(name)
        except BaseException as error:
            resume = resume_command(args.argv, name)
            if _is_interrupt(error):
                print_line(f"{head} interrupted; to resume:\n  {resume}", over=True)
                sys.exit(EXIT_INTERRUPTED)
            print_line(f"{head} FAILED", over=True)
            own = find_input_error(error) if isinstance(error, Exception) else None
            message = f"{own}\n" if own else ""
            print_line(f"{message}to resume after correcting it:\n  {resume}")
            if own:
                sys.exit(EXIT_FAILED)
            raise
        print_line(f"{head} {record.seconds:7.1f} s  {record.row_text()}", over=True)


def _is_interrupt(error: BaseException | None) -> bool:
    """Returns whether Ctrl-C caused an error; Spark's own clean-up may raise another error after
    it.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _is_finished(config: JobConfig, table_state: Callable[[str], InputState]) -> bool:
    """Returns whether a job's result would be the same; prints a line for what it cannot know."""
    record = read_record(config.work_dir, config.name)
    if record is None:
        return False
    inputs = read_inputs(config, table_state)
    for state in inputs:
        if state.unknown:
            print_line(f"{config.name}  {state.path} counts as changed: {state.unknown}")
    return record.fingerprint == fingerprint(config, inputs)


if __name__ == "__main__":
    main()
