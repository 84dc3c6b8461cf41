"""What the policy file may say of an upstream."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from gateway.config.upstreams import Provider, Upstream, parse_url


@pytest.mark.parametrize("provider", get_args(Provider))
def test_every_provider_of_the_design_is_known(provider: str) -> None:
    assert Upstream.model_validate({"provider": provider, "url": "https://x/"}).url == "https://x"


def test_a_provider_that_this_version_does_not_have_is_an_error() -> None:
    with pytest.raises(ValidationError, match="'openai', 'anthropic'"):
        Upstream.model_validate({"provider": "opanai", "url": "https://x"})


@pytest.mark.parametrize(
    "url",
    [
        *("api.openai.com", "ftp://x", "https://", "https://u:p@x", "https://x?q", "https://x#f"),
        *("https://x y", "https://x:99999", "https://[::1", "http://x\n", None, 3),
    ],
)
def test_what_is_no_base_url_is_refused(url: object) -> None:
    with pytest.raises(ValueError, match="base URL"):
        parse_url(url)
