"""Packs the faces of faces.toml into one small file: each font cut down to the characters that are trained or tested.

`python -m training.glyphs.pack --fonts FOLDER --out PACK` takes the fonts from a folder (`fetch` fills it) and writes a
zip of subset fonts and an index. The first three faces of a script are the product's own reference faces.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import tarfile
import tomllib
import urllib.request
import zipfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evalsuite.glyphs.reference import REFERENCES

HERE = Path(__file__).parent
LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&?!@#%$€£"
TRAINED_HANZI, UNSEEN_HANZI = 1000, 250
REGISTRY = "https://registry.npmjs.org/@fontsource/"
SUBSETS = {"latin": ("latin",), "hanzi": ("chinese-simplified", "chinese-traditional", "chinese-hongkong", "japanese")}
WEIGHTS = ("400", "500", "700", "300", "900")
_UNNEEDED = (
    "meta", "DSIG", "GPOS", "GSUB", "GDEF", "kern", "BASE", "vhea", "vmtx", "VORG", "STAT", "fpgm", "prep", "cvt ",
)  # fmt: skip
LEAST_COVERED = 0.5
"""A face that draws less than this share of the characters is left out."""


def listed(script: str) -> dict[str, tuple[str, bool]]:
    """The faces of a script: name to style (print, hand, display) and whether they are held apart."""
    table = tomllib.loads((HERE / "faces.toml").read_text(encoding="utf-8"))[script]
    apart = set(table.pop("apart").split())
    return {name: (style, name.rsplit(".", 1)[0] in apart) for style, names in table.items() for name in names.split()}


def alphabet() -> dict[str, str]:
    """Characters per script. The last `UNSEEN_HANZI` hanzi are never trained as targets."""
    ours = [
        line for line in (HERE.parent / "standins" / "hanzi.txt").read_text("utf-8").splitlines() if line[:1] != "#"
    ]
    level_1 = [bytes((a, b)).decode("gb2312") for a in range(0xB0, 0xD7) for b in range(0xA1, 0xFF)]
    common = [each for each in Counter("".join(ours)) if each in set(level_1)]
    rest = [each for each in level_1 if each not in set(common)]
    random.Random(0).shuffle(rest)
    trained = (common + rest)[:TRAINED_HANZI]
    return {"latin": LATIN, "hanzi": "".join(trained + rest[-UNSEEN_HANZI:])}


def fetch(folder: Path) -> None:
    """Downloads the npm packages' fonts into `folder`; files of Debian packages are put there by hand."""

    def one(job: tuple[str, str]) -> None:
        script, name = job
        wanted = folder / f"{script}--{name}.woff2"
        if wanted.exists() or "." in name:
            return
        with urllib.request.urlopen(REGISTRY + name, timeout=120) as answer:
            about = json.load(answer)
        with urllib.request.urlopen(about["versions"][about["dist-tags"]["latest"]]["dist"]["tarball"]) as answer:
            content = io.BytesIO(answer.read())
        with tarfile.open(fileobj=content) as package:
            files = set(package.getnames())
            paths = (f"package/files/{name}-{s}-{w}-normal.woff2" for w in WEIGHTS for s in SUBSETS[script])
            path = next((each for each in paths if each in files), None)
            file = package.extractfile(path) if path else None
            if file is None:
                print(f"{name}: no font of this script in its package")
                return
            wanted.write_bytes(file.read())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, [(script, name) for script in SUBSETS for name in listed(script)]))


def subset(source: Path, characters: str, weight: int | None = None) -> tuple[bytes, str]:
    """A font cut down to `characters` (at one weight, if variable), and those of them that it draws."""
    from fontTools import subset as cutting
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    options = cutting.Options(hinting=False, layout_features=[], name_IDs=[], notdef_outline=False, desubroutinize=True)
    font = TTFont(source, fontNumber=0)
    if "fvar" in font:
        axes = {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes}
        instantiateVariableFont(font, axes | {"wght": weight or 400}, inplace=True)
    drawn = "".join(each for each in characters if ord(each) in font.getBestCmap())
    cutter = cutting.Subsetter(options)
    cutter.populate(text=drawn)
    cutter.subset(font)
    for table in _UNNEEDED:
        if table in font:
            del font[table]
    font.flavor = "woff2"
    kept = io.BytesIO()
    font.save(kept)
    return kept.getvalue(), drawn


def _packed(job: tuple[str, str, str, str, bool, Path, int | None]) -> tuple[dict[str, Any], bytes]:
    script, name, style, characters, apart, source, weight = job
    from fontTools.ttLib import TTLibError

    try:
        data, drawn = subset(source, characters, weight)
    except (AssertionError, KeyError, OSError, TTLibError, ValueError) as error:
        return {"script": script, "name": name, "left_out": f"{type(error).__name__}: {error}"}, b""
    row = {"script": script, "name": name, "style": style, "apart": apart, "characters": drawn}
    if len(drawn) < LEAST_COVERED * len(characters):
        row = {"script": script, "name": name, "left_out": f"draws {len(drawn)} of {len(characters)}"}
    return row, data


def pack(fonts: Path, out: Path) -> None:
    """Writes the pack; faces that cannot be read or draw too little are named in its index under `left_out`."""
    characters = alphabet()
    jobs: list[tuple[str, str, str, str, bool, Path, int | None]] = []
    for script, faces in REFERENCES.items():
        for number, face in enumerate(faces):
            name = f"reference-{number}"
            jobs.append((script, name, "reference", characters[script], False, face.path, face.weight))
    for other in SUBSETS:
        for name, (style, apart) in listed(other).items():
            source = fonts / name if "." in name else fonts / f"{other}--{name}.woff2"
            jobs.append((other, name, style, characters[other], apart, source, None))
    index: list[dict[str, Any]] = []
    with ProcessPoolExecutor() as pool, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for row, data in pool.map(_packed, jobs, chunksize=4):
            index.append(row)
            if "left_out" not in row:
                archive.writestr(f"{row['script']}--{row['name']}.woff2", data)
        about = {"alphabet": characters, "trained_hanzi": TRAINED_HANZI, "faces": index}
        archive.writestr("index.json", json.dumps(about, ensure_ascii=False))


def main() -> None:
    """Fetches and packs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.fonts.mkdir(parents=True, exist_ok=True)
    fetch(asked.fonts)
    pack(asked.fonts, asked.out)


if __name__ == "__main__":
    main()
