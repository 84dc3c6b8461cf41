"""The table that policies are checked with. test_presidio.py compares it with Presidio."""

from gateway.detectors.presidio_entities import ENTITIES, NAMES, name_of


def test_every_entity_has_a_name_with_its_article():
    assert name_of("EMAIL_ADDRESS") == "an email address"
    assert name_of("DE_KFZ") == "a DE kfz number"
    assert all(name_of(entity).split()[0] in ("a", "an") for entity in ENTITIES)


def test_names_are_of_entities_there_are_and_scores_are_scores():
    assert set(NAMES) <= set(ENTITIES)
    assert all(0 < known.best <= 1 for known in ENTITIES.values())
