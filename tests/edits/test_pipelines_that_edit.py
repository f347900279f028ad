"""Diffusers pipelines that edit: which can, what they are given, and a small random checkpoint from end to end."""

from __future__ import annotations

import pytest

import evalsuite
from evalsuite.edits import edits_of
from evalsuite.errors import EvalsuiteError
from evalsuite.gate import side_of
from evalsuite.models.editing import refuse_pipeline
from evalsuite.runs.store import RunStore

torch = pytest.importorskip("torch", reason="torch is not installed (evalsuite[models])")
diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed (evalsuite[models])")

SETTINGS = ["steps=1", "device=cpu", "precision=fp32"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Flux2KleinPipeline", None),
        ("Flux2Pipeline", None),
        ("FluxKontextPipeline", None),
        ("QwenImageEditPipeline", None),
        ("QwenImageEditPlusPipeline", None),
        ("LongCatImageEditPipeline", None),
        ("StableDiffusionInstructPix2PixPipeline", None),
        ("ErnieImagePipeline", "ErnieImagePipeline takes no image"),
        ("QwenImagePipeline", "QwenImagePipeline takes no image"),
        ("Flux2KleinInpaintPipeline", "Flux2KleinInpaintPipeline takes an image for another task"),
        ("FluxImg2ImgPipeline", "FluxImg2ImgPipeline takes an image for another task"),
        ("StableDiffusionControlNetPipeline", "StableDiffusionControlNetPipeline takes an image for another task"),
        ("StableVideoDiffusionPipeline", "StableVideoDiffusionPipeline takes no"),
    ],
)
def test_a_pipeline_edits_where_its_call_takes_an_image_for_nothing_else(name, reason):
    said = refuse_pipeline(getattr(diffusers, name))
    assert said is None if reason is None else said.startswith(reason)


@pytest.mark.usefixtures("knowing")
def test_a_klein_checkpoint_edits_each_picture_at_its_size(checkpoints, suite, tmp_path, monkeypatch):
    given = []
    call = diffusers.Flux2KleinPipeline.__call__

    def watched(self, *args, **options):
        given.append((options["image"].size, options["width"], options["height"], options["prompt"]))
        return call(self, *args, **options)

    watched.__signature__ = __import__("inspect").signature(call)
    monkeypatch.setattr(diffusers.Flux2KleinPipeline, "__call__", watched)
    result = evalsuite.run(
        [str(checkpoints / "klein")],
        [str(suite)],
        out=tmp_path / "run",
        settings=[*SETTINGS, "batch=2"],
        workers=1,
        report=False,
    )
    assert given == [
        ((256, 256), 256, 256, ['Change "SALE" to "GONE".']),
        ((320, 256), 320, 256, ['Let the sign read "DUMPLINGS" in place of NOODLES.']),
    ]
    assert [spec.name for spec in result.run.manifest.models] == ["klein", "source", "editor"]
    found = {each.model: each for each in edits_of(result.run).figures}
    assert side_of(result.run).model.name == "klein"
    assert found["klein"].missing == 0
    assert found["klein"].similarity.estimate < 0.9  # random weights keep nothing of the picture
    assert found["editor"].identical
    sizes = {row.prompt: (row.width, row.height) for row in RunStore.open(tmp_path / "run").generations.read()}
    assert sizes == {"sale": (256, 256), "noodles": (320, 256)}
    again = evalsuite.run(
        [str(checkpoints / "klein")],
        [str(suite)],
        out=tmp_path / "run",
        settings=[*SETTINGS, "batch=2"],
        workers=1,
        report=False,
    )
    assert again.resumed
    assert len(given) == 2


@pytest.mark.usefixtures("knowing")
def test_a_pipeline_that_takes_no_picture_is_refused_before_drawing(checkpoints, suite, tmp_path):
    with pytest.raises(EvalsuiteError, match="ernie-no-pe cannot edit pictures: ErnieImagePipeline takes no image"):
        evalsuite.run([str(checkpoints / "ernie-no-pe")], [str(suite)], out=tmp_path / "run", settings=SETTINGS)
