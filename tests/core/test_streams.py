"""Random streams keep their numbers and their distance: what a run drew yesterday it draws again."""

import numpy as np

from truing.core.streams import EVALUATION, WITHIN, Stream, generator, within

STEPS = 2**18  # of one run


def test_the_numbers_of_the_streams_are_those_of_runs_begun_before():
    assert [int(stream) for stream in Stream] == [0, 2**32, 2**33, 2**34, 2**35, 2**36]
    assert (EVALUATION, WITHIN) == (2**32, 2**16)


def test_a_place_is_a_key_of_its_own():
    key = [7, 2**34 + 5 * 2**16 + 2]
    expected = np.random.Generator(np.random.Philox(key=key)).permutation(20)
    assert (generator(7, Stream.UPDATES, within(5, 2)).permutation(20) == expected).all()
    assert (generator(7, Stream.UPDATES, within(5, 3)).permutation(20) != expected).any()
    orders = [generator(0, Stream.ITEMS, epoch).permutation(20).tolist() for epoch in range(2)]
    assert orders[0] != orders[1]


def test_no_stream_reaches_into_another():
    reach = dict.fromkeys(Stream, STEPS) | dict.fromkeys((Stream.UPDATES, Stream.TEXT), within(STEPS, 0))
    ends = [stream + reach[stream] for stream in Stream]
    assert all(end <= following for end, following in zip(ends, list(Stream)[1:], strict=False))
