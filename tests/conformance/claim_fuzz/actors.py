"""Who acts in a schedule: threads of which one runs at a time, and the table as such a thread sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from awsrun.worker.protocol.table import Condition, Item, Table, Value

OVERDUE = 0.05  # of the answers
LATE = 40.0  # seconds at most
TORN = 0.2  # of the queries


class Killed(BaseException):
    """Ends an actor as SIGKILL does."""


class Stage:
    """The scheduler, and the time.

    Attributes:
        now: seconds.
        stormy: things go wrong.
    """

    def __init__(self, rng: Random) -> None:
        self.rng, self.now, self.stormy = rng, 0.0, True
        self.actors: list[Actor] = []
        self.back = threading.Semaphore(0)

    def spawn(self, body: Callable[[Actor], None], mortal: bool = True) -> None:
        self.actors.append(Actor(self, body, mortal))

    def step(self) -> bool:
        """Let one actor take a turn; False if there is none."""
        alive = [actor for actor in self.actors if not actor.ended]
        if not alive:
            return False
        awake = [actor for actor in alive if actor.wakes <= self.now]
        if not awake:
            self.now = min(actor.wakes for actor in alive)
            awake = [actor for actor in alive if actor.wakes <= self.now]
        self.now += self.rng.uniform(0, 0.5)
        actor = self.rng.choice(awake)
        actor.go.release()
        self.back.acquire()
        if actor.error is not None:
            raise actor.error
        return True

    def close(self) -> None:
        for actor in self.actors:
            actor.doomed = True
            actor.go.release()


class Actor:
    """A thread that waits for its turn before each call to the table."""

    def __init__(self, stage: Stage, body: Callable[[Actor], None], mortal: bool) -> None:
        self.stage, self.mortal = stage, mortal
        self.wakes = 0.0
        self.doomed = self.ended = False
        self.go = threading.Semaphore(0)
        self.error: BaseException | None = None
        self._body = body
        threading.Thread(target=self._main, daemon=True).start()

    def _main(self) -> None:
        self.go.acquire()
        try:
            if not self.doomed:
                self._body(self)
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.ended = True
        self.stage.back.release()

    def turn(self) -> None:
        """Let the others go first, perhaps for a long time; die here if that is this actor's fate."""
        self.stage.back.release()
        self.go.acquire()
        if self.doomed:
            raise Killed

    def sleep(self, seconds: float) -> None:
        self.wakes = self.stage.now + seconds
        self.turn()


class SteppedTable:
    """The table as one actor sees it: each call is a turn, answers may come late, a query's pages are of several times,
    and a doomed actor dies before its call or after it."""

    def __init__(self, inner: Table, actor: Actor) -> None:
        self._inner, self._actor = inner, actor

    def put(self, item: Item, when: Condition = ()) -> None:
        self._actor.turn()
        self._inner.put(item, when)
        self._last_words()

    def update(
        self, pk: str, sk: str, put: Mapping[str, Value], add: Mapping[str, int] | None = None, when: Condition = ()
    ) -> Item:
        self._actor.turn()
        item = self._inner.update(pk, sk, put, add, when)
        self._last_words()
        return item

    def get(self, pk: str, sk: str) -> Item | None:
        self._actor.turn()
        item = self._inner.get(pk, sk)
        self._linger()
        return item

    def query(
        self, pk: str, prefix: str = "", limit: int | None = None, backwards: bool = False, start: str = ""
    ) -> Iterator[Item]:
        self._actor.turn()
        found = list(self._inner.query(pk, prefix, limit, backwards, start))
        if len(found) > 1 and not backwards and self._happens(TORN):
            page = found[: self._actor.stage.rng.randrange(1, len(found))]
            self._actor.turn()
            later = self._inner.query(pk, prefix, limit, backwards, start)
            found = [*page, *(item for item in later if str(item["sk"]) > str(page[-1]["sk"]))][:limit]
        self._linger()
        return iter(found)

    def put_all(self, items: Iterable[Item]) -> None:
        self._actor.turn()
        self._inner.put_all(items)

    def _happens(self, rate: float) -> bool:
        return self._actor.stage.stormy and self._actor.stage.rng.random() < rate

    def _linger(self) -> None:
        if self._happens(OVERDUE):
            self._actor.sleep(self._actor.stage.rng.uniform(0, LATE))

    def _last_words(self) -> None:
        if self._actor.mortal and self._happens(0.01):
            raise Killed
        self._linger()
