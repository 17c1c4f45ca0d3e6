"""The engine as version 0.1 had it, whose jobs ours finishes: a wave of steps begins once the one before has ended."""

import contextvars
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS

from provisioning.engine import Engine
from provisioning.jobs.runner import Done


class EngineByWaves(Engine):
    """Dies, where it is told to, after so many calls that DBOS has recorded."""

    die_after_calls = 0

    def _run_job(self, job_id: str, attempt: int) -> Done:
        begun = DBOS.run_step({"name": "begin"}, self._call, self.runner.begin, job_id, attempt)
        self._recorded(1)
        if not begun["ok"]:
            return {"ok": False}
        run = self.runner.undo_step if begun["undo"] else self.runner.run_step
        for wave in begun["waves"]:
            is_good = all(done["ok"] for done in self._run_wave(run, job_id, wave, attempt))
            self._recorded(len(wave))
            if not is_good and not begun.get("goes_on", False):
                break
        done = DBOS.run_step({"name": "finish"}, self._call, self.runner.finish, job_id, attempt)
        self._recorded(1)
        return done

    def _run_wave(self, run: Callable[[str, str, int], Done], job_id: str, wave: list[str], attempt: int) -> list[Done]:
        places = [DBOS.reserve_step() for _ in wave]
        with ThreadPoolExecutor(len(wave)) as pool:
            running = [
                pool.submit(
                    contextvars.copy_context().run,
                    lambda place=place, step_id=step_id: place.run(
                        {"name": f"step:{step_id}"}, self._call, run, job_id, step_id, attempt
                    ),
                )
                for place, step_id in zip(places, wave, strict=True)
            ]
        return [step.result() for step in running]

    def _recorded(self, calls: int) -> None:
        if self.die_after_calls > 0:
            self.die_after_calls -= calls
            if self.die_after_calls <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
