"""The protocol against a model of the server: whatever the line does, each device ends with the log (R21)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fixtures.broken_clients import (
    WithoutDedupe,
    WithoutDoubt,
    WithoutEpoch,
    WithoutGapBuffer,
    WithoutWaiting,
    machine_that_keeps,
)
from tests.fixtures.model_device import TIMING, ModelDevice
from tests.fixtures.model_server import Frame, ModelServer
from wedsync_client.frames import MAX_FRAME_BYTES
from wedsync_client.machine import Machine
from wedsync_client.replica import Replica
from wedsync_client.sending import Outbox

PEOPLE = ("ana", "ben", "flora", "flora")  # the last of them has two devices
THREADS = ("t1", "t2")
LONG = "x" * MAX_FRAME_BYTES

devices = st.integers(0, len(PEOPLE) - 1)
threads = st.sampled_from(THREADS)


class HeldForEver(Outbox):
    """Until it is released."""

    def hold(self, now: float, until: float) -> None:
        self._held_until = float("inf")


class Patient(Machine):
    """Waits for the first sync of a connection however long that takes: then the order holds after a restore, too."""

    outbox = HeldForEver


class PostsAgain(Patient):
    """Asks nothing before, whether or not the server was away."""

    def _ask_first(self, now: float) -> None:
        pass


class World(RuleBasedStateMachine):
    """Four devices of three people in two threads. `machine` is the client under test."""

    machine: type[Machine] = Patient
    restores = True
    order_survives_a_restore = True

    def __init__(self) -> None:
        super().__init__()
        self.server = ModelServer()
        self.restored = False
        self.rewrite: Callable[[Frame], Frame] = lambda frame: frame
        for thread in THREADS:
            self.server.create(thread, *PEOPLE)
        self.devices = [ModelDevice(self.server, user, self.machine, Random(0)) for user in PEOPLE]  # noqa: S311

    @initialize()
    def everybody_comes(self) -> None:
        for device in self.devices:
            self.ask(device, device.connect())

    @rule(at=devices, thread=threads, count=st.integers(1, 3))
    def write(self, at: int, thread: str, count: int) -> None:
        for _ in range(count):
            self.ask(self.devices[at], self.devices[at].write(thread, str(uuid4())))

    @rule(thread=threads, number=st.integers(0, 9))
    def edit(self, thread: str, number: int) -> None:
        self.push(thread, self.server.edit(thread, number))

    @rule(at=devices, number=st.integers(0, 9), times=st.sampled_from((1, 1, 1, 1, 2, 0)))
    def something_arrives(self, at: int, number: int, times: int) -> None:
        """In any order, twice, or never."""
        device = self.devices[at]
        if device.arriving:
            frame = device.arriving.pop(number % len(device.arriving))
            for _ in range(times):
                self.ask(device, device.receive(frame))

    @rule(at=devices)
    def everything_arrives(self, at: int) -> None:
        device = self.devices[at]
        for frame in [*device.arriving]:
            if frame in device.arriving:
                device.arriving.remove(frame)
                self.ask(device, device.receive(frame))

    @rule(at=devices, thread=threads)
    def something_is_sent_and_not_answered(self, at: int, thread: str) -> None:
        """The function died after its commit, or its answer was lost; nobody was told."""
        device = self.devices[at]
        self.ask(device, device.write(thread, str(uuid4())), answered=False)

    @rule(at=devices)
    def a_page_is_loaded(self, at: int) -> None:
        device = self.devices[at]
        if device.loads:
            self.ask(device, device.load())

    @rule(at=devices, seconds=st.sampled_from((0.3, 3.0, 6.0, 11.0, 61.0)))
    def time_passes(self, at: int, seconds: float) -> None:
        self.ask(self.devices[at], self.devices[at].wait(seconds))

    @rule(at=devices)
    def the_line_is_cut(self, at: int) -> None:
        self.devices[at].cut()

    @rule(at=devices)
    def a_device_comes_back(self, at: int) -> None:
        self.ask(self.devices[at], self.devices[at].connect())

    @rule(at=devices)
    def a_process_is_started_anew(self, at: int) -> None:
        self.devices[at].restart()

    @rule(thread=threads, user=st.sampled_from(("ben", "flora")))
    def somebody_leaves(self, thread: str, user: str) -> None:
        told = self.server.remove(thread, user)
        self.push(thread, told)
        for device in self.devices if told else ():
            if device.user == user and device.online:
                device.arriving.append({"type": "access", "thread_id": thread, "state": "revoked"})

    @rule(thread=threads, user=st.sampled_from(("ben", "flora")))
    def somebody_joins(self, thread: str, user: str) -> None:
        self.push(thread, self.server.add(thread, user))

    @precondition(lambda self: self.restores)
    @rule(lost=st.integers(0, 4))
    def the_database_is_restored(self, lost: int) -> None:
        self.restored = True
        self.server.restore(lost)
        for device in self.devices:
            device.cut()

    @invariant()
    def nobody_is_ahead_of_the_log(self) -> None:
        for device in self.devices:
            for thread in THREADS:
                epoch, seq = device.application.place(thread) or (self.server.epoch, 0)
                assert seq <= len(self.server.history[epoch][thread])

    @invariant()
    def who_knows_that_something_is_missing_asks_soon(self) -> None:
        for device in self.devices:
            if device.online and not device.loads and device.lacks_what_it_heard_of:
                assert device.asks_by <= device.now + max(TIMING.longest_pause, TIMING.answer)

    def teardown(self) -> None:
        try:
            self.the_line_gets_better()
        finally:
            for device in self.devices:
                device.store.close()

    def the_line_gets_better(self) -> None:
        for _ in range(3):
            self.settle()
        for device in self.devices:
            assert device.store.queued() == []
            for thread in THREADS:
                self.compare(device, thread)
        for thread in THREADS:
            self.each_message_is_there_once(thread)

    def settle(self) -> None:
        for device in self.devices:
            self.ask(device, device.wait(61.0))
            if not device.online:
                self.ask(device, device.connect())
        for _ in range(5_000):  # of many emergencies each one is posted with all that wait before it
            busy = [device for device in self.devices if device.arriving or device.loads]
            if not busy and not any(device.store.queued() for device in self.devices):
                return
            for device in self.devices:
                if not device.online:
                    self.ask(device, device.connect())
                elif device.arriving:
                    self.ask(device, device.receive(device.arriving.pop(0)))
                elif device.posts:
                    self.post(device, 0)
                elif device.loads:
                    self.ask(device, device.load())
                else:
                    self.ask(device, device.wait(3.0))
        raise AssertionError("the devices never come to rest")

    def compare(self, device: ModelDevice, thread: str) -> None:
        log = self.server.logs[thread]
        if device.user not in log.members:
            assert device.application.place(thread) is None
            assert device.messages(thread) == []
            return
        assert device.application.place(thread) == (self.server.epoch, len(log.events))
        kept = device.messages(thread)
        loaded = [log.messages[seq] for seq in sorted(log.messages) if seq >= log.members[device.user]]
        assert kept == loaded[len(loaded) - len(kept) :]
        assert len(kept) >= min(len(loaded), 5)

    def each_message_is_there_once(self, thread: str) -> None:
        log = self.server.logs[thread]
        stored = [log.messages[seq]["client_msg_id"] for seq in sorted(log.messages)]
        assert len(stored) == len(set(stored))
        for device in self.devices:
            written = [
                each
                for where, each in device.written
                if where == thread and each not in device.application.refused
            ]
            found = [each for each in stored if each in written]
            if not self.restored or (device.user in log.members and self.order_survives_a_restore):
                assert found == written
            elif device.user in log.members:
                assert sorted(found) == sorted(written)

    def ask(self, device: ModelDevice, frames: Iterable[Frame], *, answered: bool = True) -> None:
        """The server does what it is asked; answers and pushes are on their way."""
        for frame in frames:
            if frame["action"] == "sync":
                device.arriving += self.server.sync(device.user, frame) if answered else []
            elif frame["action"] == "send":
                answer, pushed = self.server.send(device.user, self.rewrite(frame))
                if answered:
                    device.arriving.append(answer)
                    self.push(frame["thread_id"], pushed)
            elif frame["action"] == "ping":
                device.arriving.append({"type": "pong"})

    def post(self, device: ModelDevice, number: int, lost: str = "") -> None:
        """The next message of something that goes over REST; if it is not stored the rest is left."""
        posting = device.posts[number % len(device.posts)]
        answer, pushed = None, list[Frame]()
        if lost != "request":
            answer, pushed = self.server.send(device.user, posting.next())
        self.push(posting.asked["thread_id"], pushed)
        posting.note(None if lost else answer)
        if posting.answer:
            device.posts.remove(posting)
            self.ask(device, device.posted(posting.answer))

    def push(self, thread: str, frames: Iterable[Frame]) -> None:
        for device in self.devices:
            log = self.server.logs[thread]
            if device.online and device.user in log.members:
                device.arriving += [log.pushed_to(device.user, frame) for frame in frames]


class ShippedWorld(World):
    """The client as it is: after ten seconds without an answer it sends, whatever a restore has lost."""

    machine = Machine
    order_survives_a_restore = False


class UrgentWorld(World):
    """Emergencies, too: they wait for nothing, and go over REST beside the socket, where all may happen to them.

    And what no frame can carry goes over REST alone.
    """

    order_survives_a_restore = False

    @rule(at=devices, thread=threads, before=st.integers(0, 2))
    def write_an_emergency(self, at: int, thread: str, before: int) -> None:
        device = self.devices[at]
        self.write(at, thread, before)
        self.ask(device, device.write(thread, str(uuid4()), priority_level="emergency"))

    @rule(at=devices, thread=threads)
    def write_at_length(self, at: int, thread: str) -> None:
        self.ask(self.devices[at], self.devices[at].write(thread, LONG + str(uuid4())))

    @rule(at=devices, number=st.integers(0, 9), lost=st.sampled_from(("", "", "", "request", "answer")))
    def a_message_is_posted(self, at: int, number: int, lost: str) -> None:
        if self.devices[at].posts:
            self.post(self.devices[at], number, lost)


class UrgentOrder(UrgentWorld):
    """Where nothing is restored the order holds for emergencies, too."""

    restores = False


class ForgetfulWorld(World):
    """A client that makes a new client_msg_id for each attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.rewrite = renamed


def renamed(frame: Frame) -> Frame:
    messages: list[dict[str, Any]] = [
        {**message, "client_msg_id": f"{message['client_msg_id']} {uuid4()}"} for message in frame["messages"]
    ]
    return {**frame, "messages": messages}


@pytest.mark.parametrize(("world", "examples"), [(World, 80), (ShippedWorld, 40)])
def test_every_device_ends_with_the_log_each_event_once_and_in_order(
    world: type[World], examples: int
) -> None:
    run_state_machine_as_test(world, settings=settings(max_examples=examples, stateful_step_count=60))


@pytest.mark.parametrize("world", [UrgentWorld, UrgentOrder])
def test_emergencies_are_there_once_and_in_order_whichever_of_their_roads_breaks(world: type[World]) -> None:
    run_state_machine_as_test(world, settings=settings(max_examples=25, stateful_step_count=60))


def test_what_is_refused_to_one_who_left_and_came_back_is_not_overtaken_on_the_other_road() -> None:
    world = UrgentOrder()
    world.everybody_comes()
    world.something_is_sent_and_not_answered(at=3, thread="t1")
    world.somebody_leaves(thread="t1", user="flora")
    world.write_an_emergency(at=3, before=1, thread="t1")
    world.a_message_is_posted(at=3, lost="", number=0)
    world.somebody_joins(thread="t1", user="flora")
    world.a_message_is_posted(at=3, lost="", number=0)

    world.teardown()


def test_an_edit_of_a_message_that_is_not_loaded_leaves_no_hole_before_those_that_are() -> None:
    world = World()
    world.everybody_comes()
    world.everything_arrives(at=0)
    for _ in range(4):
        world.write(at=0, count=2, thread="t1")
        world.everything_arrives(at=0)
    world.everything_arrives(at=1)
    world.the_database_is_restored(lost=0)
    world.a_device_comes_back(at=1)
    world.everything_arrives(at=1)
    world.a_page_is_loaded(at=1)
    world.a_page_is_loaded(at=1)
    world.edit(number=0, thread="t1")

    world.teardown()


@pytest.mark.parametrize("broken", [WithoutDedupe, WithoutGapBuffer])
def test_a_client_without_one_of_its_safeguards_is_found_out(broken: type[Replica]) -> None:
    world = type("BrokenWorld", (World,), {"machine": machine_that_keeps(broken, Patient)})

    with pytest.raises(AssertionError):
        run_state_machine_as_test(world, settings=LOOK)


def test_a_client_that_takes_one_epoch_for_another_is_found_out() -> None:
    a_restore_loses_what_was_acknowledged(Patient)

    with pytest.raises(AssertionError):
        a_restore_loses_what_was_acknowledged(machine_that_keeps(WithoutEpoch, Patient))


def a_restore_loses_what_was_acknowledged(machine: type[Machine]) -> None:
    """A story that the search takes long to find: a push of the new log comes before the answer that tells of it."""
    world = type("RestoredWorld", (World,), {"machine": machine})()
    world.everybody_comes()
    world.everything_arrives(at=3)
    world.something_arrives(at=3, number=0, times=1)
    world.write(at=3, count=2, thread="t1")
    world.the_database_is_restored(lost=1)
    world.a_device_comes_back(at=3)
    world.somebody_leaves(thread="t1", user="ben")
    world.something_arrives(at=3, number=len(world.devices[3].arriving) - 1, times=1)
    world.teardown()


def test_a_client_that_sends_before_it_knows_of_a_restore_is_found_out() -> None:
    somebody_writes_while_what_he_wrote_before_is_lost(Patient)

    with pytest.raises(AssertionError):
        somebody_writes_while_what_he_wrote_before_is_lost(WithoutWaiting)


def somebody_writes_while_what_he_wrote_before_is_lost(machine: type[Machine]) -> None:
    world = type("RestoredWorld", (World,), {"machine": machine})()
    world.everybody_comes()
    world.everything_arrives(at=0)
    world.write(at=0, count=1, thread="t1")
    world.everything_arrives(at=0)
    world.the_database_is_restored(lost=1)
    world.write(at=0, count=1, thread="t1")
    world.teardown()


def test_a_client_that_posts_again_before_it_knows_of_a_restore_is_found_out() -> None:
    a_post_finds_the_server_away_while_it_is_restored(Patient)

    with pytest.raises(AssertionError):
        a_post_finds_the_server_away_while_it_is_restored(PostsAgain)


def a_post_finds_the_server_away_while_it_is_restored(machine: type[Machine]) -> None:
    world = type("RestoredWorld", (UrgentWorld,), {"machine": machine, "order_survives_a_restore": True})()
    world.everybody_comes()
    world.everything_arrives(at=0)
    world.write(at=0, count=1, thread="t1")
    world.everything_arrives(at=0)
    world.write_at_length(at=0, thread="t1")
    world.server.restore(lost=1)
    world.restored = True
    world.a_message_is_posted(at=0, lost="request", number=0)
    world.time_passes(at=0, seconds=3.0)
    world.a_message_is_posted(at=0, lost="", number=0)
    world.teardown()


def test_a_client_that_does_not_ask_for_what_it_heard_of_is_found_out() -> None:
    some_pushes_are_lost(Patient)

    with pytest.raises(AssertionError):
        some_pushes_are_lost(type("Trusting", (Patient,), {"threads": WithoutDoubt}))


def some_pushes_are_lost(machine: type[Machine]) -> None:
    """To Ana that of what she wrote, to Ben the first of two."""
    world = type("LossyWorld", (World,), {"machine": machine})()
    world.everybody_comes()
    while any(world.devices[at].arriving for at in (0, 1)):
        world.everything_arrives(at=0)
        world.everything_arrives(at=1)
    for _ in range(2):
        world.write(at=0, count=1, thread="t1")
        world.something_arrives(at=0, number=0, times=1)
        world.something_arrives(at=0, number=0, times=0)
    world.something_arrives(at=1, number=0, times=0)
    world.something_arrives(at=1, number=0, times=1)

    world.who_knows_that_something_is_missing_asks_soon()
    world.teardown()


def test_a_client_that_sends_again_under_another_id_is_found_out() -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ForgetfulWorld, settings=LOOK)


LOOK = settings(
    max_examples=500, stateful_step_count=60, derandomize=True, phases=(Phase.generate,), database=None
)
