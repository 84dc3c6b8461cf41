"""Another model answers under the same name."""

from gateway.telemetry.served_models import MOST, ServedModels


def test_first_answer_is_no_change_another_one_is() -> None:
    served = ServedModels()
    seen = ["gpt-4o-2024-08-06", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o-2024-11-20"]
    assert [served.changed("openai", "gpt-4o", name) for name in seen] == [None, False, True, False]


def test_upstreams_and_names_are_apart() -> None:
    served = ServedModels()
    assert served.changed("openai", "gpt-4o", "a") is None
    assert served.changed("azure", "gpt-4o", "b") is None
    assert served.changed("openai", "gpt-4o-mini", "c") is None


def test_names_that_a_caller_makes_up_push_others_out() -> None:
    served = ServedModels()
    for number in range(MOST + 1):
        assert served.changed("openai", f"made-up-{number}", "x") is None
    assert served.changed("openai", "made-up-0", "y") is None
    assert served.changed("openai", f"made-up-{MOST}", "y") is True
