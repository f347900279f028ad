"""Which characters of a target a reader can answer with at all: others are wrong whatever is drawn."""

from __future__ import annotations

from evalsuite.scoring.folding import graphemes
from evalsuite.scoring.normalize import normalize, profile_named


def beyond_alphabet(target: str, alphabet: frozenset[str], profile: str = "standard") -> tuple[str, ...]:
    """The graphemes of a target that no reading over `alphabet` can equal, each as often as it stands there.

    What the profile folds does not count: a curly quote is a straight one, and a capital its small letter where case
    is not charged.

    >>> beyond_alphabet("SALE „50 %“", frozenset('ALES05%"'))
    ()
    >>> beyond_alphabet("부산 17", frozenset("17"))
    ('부', '산')
    """
    chosen = profile_named(profile)
    if alphabet.issuperset(target):
        return ()
    missing = []
    for cluster in graphemes(target):
        if cluster in alphabet or cluster.isspace():
            continue
        units = normalize(cluster, chosen).units
        forms = [
            {unit} if chosen.charge_case else {unit, unit.lower(), unit.upper(), *unit.casefold()} for unit in units
        ]
        if not all(form & alphabet for form in forms):
            missing.append(cluster)
    return tuple(missing)
