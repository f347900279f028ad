from __future__ import annotations

import gc

from evalsuite.cli.collecting import collecting_seldom


def test_the_collector_is_as_before_when_a_command_ends():
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
