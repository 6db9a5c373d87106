"""Work of the set-up that runs in parallel to its other steps."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from tools.commands import STILL_WORKING_S, Commands, SetupError


class Background:
    """At most one piece of work in parallel to the steps. Its commands have a separate log.

    The work is a thread, because each of its commands is a process already.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._future: Future[str] | None = None
        self._commands: Commands | None = None

    def begin(self, beside: Commands, name: str, work: Callable[[Commands], str]) -> None:
        """Starts `work`.

        Args:
            beside: the commands of the other steps.
            name: of the log, which lies beside that of `beside` until the work ends.
            work: gets the commands that it runs; its result is what `finish` returns.
        """
        log_path = beside.log_path.with_name(f"setup-{name}.log")
        log_path.unlink(missing_ok=True)
        self._commands = Commands(log_path, beside.held, says_that_it_works=False)
        self._future = self._pool.submit(work, self._commands)

    def finish(self, beside: Commands) -> str:
        """Waits for the end of the work, appends its log to that of the other steps, returns its
        result.

        Raises:
            SetupError: the work failed, or none was begun.
        """
        if self._future is None or self._commands is None:
            raise SetupError("nothing was begun in the background: call again")
        waited = 0
        while not wait([self._future], timeout=STILL_WORKING_S).done:
            waited += STILL_WORKING_S
            print(f"      still working, {waited} s", flush=True)
        result = self._future.result()
        beside.add(self._commands.log_path)
        return result

    def stop(self) -> None:
        """Stops the work and its commands if they still run."""
        if self._commands is not None:
            self._commands.stop()
        self._pool.shutdown(cancel_futures=True)
