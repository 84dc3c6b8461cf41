"""No name that a caller or a provider chose gives an order to a terminal."""

from __future__ import annotations

from gateway.cli.printable import printable


def test_names_stay_as_they_are_and_orders_to_a_terminal_do_not() -> None:
    assert printable("gpt-5, größer") == "gpt-5, größer"
    assert printable("gpt\x1b[2J\r\n\x9b5") == "gpt?[2J???5"
