"""That all gateways of one store have one master key.

Scopes are digests under a key of it: two gateways with two keys would each count for themselves,
and limits that look shared would be twice as wide.
"""

from __future__ import annotations

from gateway.state.store import Store, StoreError

PLACE = "same-key"
_TEN_YEARS = 10 * 366 * 86400.0


async def check_same_key(store: Store, sign: bytes) -> None:
    """Leave a sign of the master key, derived for this alone, or find the same one there.

    Raises StoreError where another one is there.
    """
    if await store.add(PLACE, sign, _TEN_YEARS):
        return
    if await store.get(PLACE) != sign:
        raise StoreError(
            "the state store is used by gateways with another master key: give all of them the "
            "same file (PORTCULLIS_MASTER_KEY_FILE), or this one a namespace of its own "
            "(?namespace=NAME in --state). After a change of the key delete the store's value "
            f"{PLACE!r}"
        )
    await store.put(PLACE, sign, _TEN_YEARS)
