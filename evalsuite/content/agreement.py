"""Agreement of pictures with their prompts, by a checkpoint in a local folder: CLIPScore, or VQAScore (`vqa`).

CLIPScore = 2.5 · max(cos(picture, prompt), 0) (Hessel et al., CLIPScore: A Reference-free Evaluation Metric for Image
Captioning, EMNLP 2021). CLIP takes 77 tokens of a prompt; of longer ones only the beginning counts, which is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evalsuite.content.figures import CLIPSCORE_MOST, most_of
from evalsuite.content.measuring import present
from evalsuite.content.rows import AgreementRow, agreement_of, sealed
from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.images import load_image
from evalsuite.records import digest
from evalsuite.runs.progress import Progress, ignore
from evalsuite.runs.score_cache import load_key

if TYPE_CHECKING:
    from PIL.Image import Image

    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher

NEEDED = ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json")


class Scorer(Protocol):
    """What tells how well a picture agrees with its prompt. `digest` covers every file that it reads."""

    name: str
    digest: str

    def score(self, image: Image, prompt: str) -> tuple[float, bool]:
        """The score, from 0, and whether only the prompt's beginning was taken."""
        ...


class ClipScorer:
    """A CLIP checkpoint that scores one picture at a time, on the CPU.

    `name` is what the rows call it, `digest` covers every file that it reads.
    """

    def __init__(self, folder: Path) -> None:
        """Load the checkpoint.

        Raises:
            EvalsuiteError: The folder or a part of the checkpoint is missing, or it is no CLIP.
        """
        if not folder.is_dir():
            raise EvalsuiteError(
                f"clip:{folder}: no such folder; name one with a CLIP checkpoint as transformers saves it"
            )
        lost = [name for name in NEEDED if not (folder / name).is_file()]
        if lost:
            raise EvalsuiteError(f"clip:{folder}: no {', '.join(lost)}; a CLIP checkpoint has {', '.join(NEEDED)}")
        try:
            from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast
        except ImportError as error:
            raise EvalsuiteError("clip: needs transformers and torch: install evalsuite[models]") from error
        local = {"local_files_only": True}
        try:
            self._model, told = CLIPModel.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **local
            )
            self._tokenizer: Any = CLIPTokenizerFast.from_pretrained(folder, **local)
            self._images: Any = CLIPImageProcessor.from_pretrained(folder, **local)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise EvalsuiteError(f"clip:{folder}: not a CLIP checkpoint: {error}") from error
        wrong = [name for what in ("missing_keys", "mismatched_keys", "unexpected_keys") for name in told[what]]
        if wrong:
            raise EvalsuiteError(f"clip:{folder}: the weights do not fit a CLIP: {wrong[0]} and {len(wrong) - 1} more")
        self._model.eval()
        self._limit = int(self._model.config.text_config.max_position_embeddings)
        self.name = f"CLIPScore ({folder.name})"
        self.digest = files_digest({name: folder / name for name in NEEDED})

    def score(self, image: Image, prompt: str) -> tuple[float, bool]:
        """The CLIPScore in [0, 2.5] of a picture and a prompt, and whether the prompt was cut."""
        import torch

        whole = len(self._tokenizer(prompt)["input_ids"])
        text = self._tokenizer(prompt, truncation=True, max_length=self._limit, return_tensors="pt")
        with torch.inference_mode():
            found = self._model(**text, **self._images(images=image, return_tensors="pt"))
        cosine = float((found.image_embeds * found.text_embeds).sum())
        if cosine != cosine:
            raise EvalsuiteError(f"{self.name}: gives no number; its weights are not sound")
        return CLIPSCORE_MOST * min(1.0, max(0.0, cosine)), whole > self._limit


def open_scorer(named: str) -> Scorer:
    """The scorer of `clip:FOLDER` or `vqa:FOLDER`.

    Raises:
        EvalsuiteError: It names none, or the checkpoint cannot be used.
    """
    kind, colon, path = named.partition(":")
    if kind not in ("clip", "vqa") or not colon or not path:
        raise EvalsuiteError(
            f"--agreement {named}: name a checkpoint on this machine, CLIP as clip:FOLDER or Qwen2.5-VL as vqa:FOLDER"
        )
    folder = Path(path).expanduser()
    if kind == "clip":
        return ClipScorer(folder)
    from evalsuite.content.vqa import VqaScorer

    return VqaScorer(folder)


def measure_agreement(run: OpenRun, scorer: Scorer, *, watch: Watcher = ignore) -> list[AgreementRow]:
    """The row of every read image of a run by one scorer; kept rows that fit are not made again.

    Raises:
        EvalsuiteError: An image cannot be opened, or the scorer gives no number.
    """
    kept = {row.key: row for row in read_agreement(run) if row.scorer_digest == scorer.digest}
    there = present(run)
    wanted = [score.key for score in run.scores if score.key in there]
    found = []
    for number, key in enumerate(wanted, 1):
        found.append(kept.get(key) or _scored(run, key, scorer))
        watch(Progress("content", number, len(wanted), run.requests[key].prompt))
    return found


def read_agreement(run: OpenRun) -> list[AgreementRow]:
    """The kept rows that are of the run's images and prompts.

    Raises:
        DamagedRunError: The file holds what evalsuite does not write.
    """
    return [row for row in agreement_of(run.folder).read() if _fits(run, row)]


def keep_agreement(run: OpenRun, rows: list[AgreementRow]) -> None:
    """Write the rows into the run's folder, whose lock must be held; those of other scorers stay."""
    found = {(row.key, row.scorer_digest): row for row in [*read_agreement(run), *rows]}
    agreement_of(run.folder).replace(found.values())


def _fits(run: OpenRun, row: AgreementRow) -> bool:
    reading = run.readings.get(row.key)
    return (
        reading is not None
        and row.image_sha256 == reading.image_sha256
        and row.prompt == _prompt_digest(run, row.key)
        and 0 <= row.score <= most_of(row.scorer)
    )


def _prompt_digest(run: OpenRun, key: str) -> str:
    return digest(run.prompts[run.requests[key].prompt].text)[:16]


def _scored(run: OpenRun, key: str, scorer: Scorer) -> AgreementRow:
    image = load_image(run.store.image_path(run.generations[key]))
    score, cut = scorer.score(image, run.prompts[run.requests[key].prompt].text)
    row = AgreementRow(
        key=key,
        image_sha256=run.readings[key].image_sha256,
        prompt=_prompt_digest(run, key),
        scorer=scorer.name,
        scorer_digest=scorer.digest,
        score=score,
        cut=cut,
    )
    return sealed(row, load_key())
