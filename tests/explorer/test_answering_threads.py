"""The threads that work out answers."""

import asyncio
import threading

import pytest

from lastlayer.explorer.answering_threads import AnsweringThreads


def test_each_call_gets_its_own_answer_from_a_few_daemon_threads():
    threads, seen = AnsweringThreads(3), set()

    def square(number):
        seen.add(threading.current_thread())
        return number * number

    async def ask():
        return await asyncio.gather(*(threads.run(square, number) for number in range(200)))

    assert asyncio.run(ask()) == [number * number for number in range(200)]
    # Another loop, as another server in this process has.
    assert asyncio.run(ask()) == [number * number for number in range(200)]
    assert 1 <= len(seen) <= 3
    assert all(thread.daemon for thread in seen)
    assert threading.current_thread() not in seen


def test_a_failure_is_raised_where_it_is_awaited_and_ends_no_thread():
    threads = AnsweringThreads(1)

    async def ask():
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 1, 0)
        return await threads.run(divmod, 7, 2)

    assert asyncio.run(ask()) == (3, 1)


def test_an_answer_that_nobody_waits_for_is_dropped():
    threads = AnsweringThreads(1)
    go, done = threading.Event(), threading.Event()

    async def leave():
        waiting = asyncio.ensure_future(threads.run(go.wait))
        await asyncio.sleep(0)
        waiting.cancel()
        go.set()
        return await threads.run(len, "abc")

    assert asyncio.run(leave()) == 3
    # The loop is closed before the answer is there.
    late = threading.Event()

    async def leave_at_once():
        asyncio.ensure_future(threads.run(late.wait))  # noqa: RUF006 - it is to be left behind
        await asyncio.sleep(0)

    asyncio.run(leave_at_once())
    late.set()
    asyncio.run(threads.run(done.set))
    assert done.is_set()
