"""Does the scorer measure what was planted? Known character errors, then everything that readings suffer.

Each target's characters are damaged at a known rate; then targets are split over lines, merged into one line
(now and then without the space), surrounded by other text and duplicates, laid out in one or two columns and
listed in any order. Printed, per rate and language: the accuracy that was planted (1 - edits made / length);
the accuracy by the shortest edit path between each target and its own damaged drawing, which is what a scorer
that knew where each target stands would find; and the accuracy measured from the shuffled reading alone.

    deviation = (shortest - planted) + (measured - shortest)

The first part is arithmetic (two neighbouring edits can be undone by one), the second is the scorer's own
error; they have opposite signs. Last, what targets score by chance, in readings of other prompts. Exits with 1
where the deviation is beyond ±0.002 at a rate of up to 10%.

    python -m benchmarks.planted_truth [--seeds 4] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from benchmarks._readings import LANGUAGES, Damage, Page, damage, glyphs_of, pages
from evalsuite.scoring import Rates, count, rates, score_image
from evalsuite.scoring.normalize import Profile, normalize, profile_named
from evalsuite.stats import ratio_interval

ERROR_RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
TOLERANCE = 0.002
TOLERATED_UP_TO = 0.1
PLAIN = Damage()
ALL = Damage(split=0.4, merge=0.3, lost_space=0.2, extras=2, repeated=0.05, shuffle=True)
Row = dict[str, str | float | int | None]


def shortest(target: str, drawn: str, profile: Profile) -> int:
    """Levenshtein distance of a target to its own drawing, in graphemes."""
    return int(Levenshtein.distance(normalize(target, profile).keys, normalize(drawn, profile).keys))


def measure(everything: Sequence[Page], language: str, how: Damage, seeds: int) -> Row:
    """One cell: planted, shortest and measured accuracy over all pages of a language."""
    glyphs = glyphs_of(everything, language)
    profile = profile_named("standard")
    rng = random.Random(f"planted-{language}-{how.errors}-{how.shuffle}")
    length = planted = best = measured = unmatched = unproven = 0
    deviations, lengths = [], []
    for page in everything:
        if page.language != language:
            continue
        size = edits = found = 0
        for _ in range(seeds):
            reading = damage(page, how, rng, glyphs)
            score = score_image(page.targets, reading.lines)
            counts = count(score)
            drawings = zip(page.targets, reading.drawn, strict=True)
            best += sum(shortest(target, drawn or "", profile) for target, drawn in drawings)
            size, edits, found = size + counts.length, edits + sum(reading.planted), found + counts.edits
            unmatched += counts.targets - counts.matched_targets
            unproven += not score.exact_search
        length, planted, measured = length + size, planted + edits, measured + found
        deviations.append(float(edits - found))
        lengths.append(float(size))
    interval = ratio_interval(deviations, lengths)
    return {
        "language": language,
        "rate": how.errors,
        "reading": "shuffled" if how.shuffle else "as drawn",
        "planted": 1 - planted / length,
        "shortest": 1 - best / length,
        "measured": 1 - measured / length,
        "deviation": (planted - measured) / length,
        "deviation_low": interval.low,
        "deviation_high": interval.high,
        "by_shortest_path": (planted - best) / length,
        "by_alignment": (best - measured) / length,
        "unmatched_targets": unmatched,
        "not_proven": unproven,
    }


def by_chance(everything: Sequence[Page], language: str) -> Rates:
    """Rates of each page's targets in an undamaged reading of another page: what unlike text is worth."""
    own = [page for page in everything if page.language == language]
    glyphs, rng = glyphs_of(everything, language), random.Random(f"chance-{language}")
    others = own[len(own) // 3 :] + own[: len(own) // 3]
    readings = (damage(other, Damage(split=0.3, shuffle=True), rng, glyphs) for other in others)
    return rates(score_image(page.targets, reading.lines) for page, reading in zip(own, readings, strict=True))


def main() -> int:
    """Run and print; 1 where the deviation is beyond the tolerance."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    everything, source = pages()
    print(f"{source}, {options.seeds} readings each")
    print("lang  rate  reading   planted  shortest measured  deviation  [95% interval]      path     alignment")
    rows = []
    for how in (PLAIN, ALL):
        for language in LANGUAGES:
            for rate in ERROR_RATES:
                row = measure(everything, language, replace(how, errors=rate), options.seeds)
                rows.append(row)
                low, high = row["deviation_low"], row["deviation_high"]
                spread = "undefined         " if low is None else f"[{low:+.4f}, {high:+.4f}]"
                print(
                    f"{language:4} {rate:5.0%}  {row['reading']:8}  {row['planted']:.4f}   {row['shortest']:.4f}"
                    f"   {row['measured']:.4f}   {row['deviation']:+.4f}   {spread}  {row['by_shortest_path']:+.4f}"
                    f"  {row['by_alignment']:+.4f}",
                    flush=True,
                )
    chance = {language: by_chance(everything, language) for language in LANGUAGES}
    for language, found in chance.items():
        print(f"by chance, {language}: accuracy {found.character_accuracy:.4f}, matched {found.matched_rate:.4f}")
    if options.json:
        result = {"source": source, "rows": rows, "chance": {k: v.character_accuracy for k, v in chance.items()}}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    worst = max(abs(float(row["deviation"] or 0)) for row in rows if float(row["rate"] or 0) <= TOLERATED_UP_TO)
    print(f"greatest deviation up to {TOLERATED_UP_TO:.0%}: {worst:.4f} (tolerated: {TOLERANCE})")
    return 1 if worst > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
