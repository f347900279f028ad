"""The recipe's own algorithms: Muon against torch's, resuming, adding characters, stages and progress."""

from __future__ import annotations

import io

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from evalsuite.datafiles import data_dir  # noqa: E402
from training.standins import autoencoder, denoiser, encoder, export, train, wear  # noqa: E402
from training.standins.glyphs import Glyphs  # noqa: E402
from training.standins.optimiser import Average, Clock, Muon, course  # noqa: E402
from training.standins.prompts import make_pool  # noqa: E402
from training.standins.tokenizer import build  # noqa: E402
from training.standins.train import half, spelling  # noqa: E402


@pytest.fixture(scope="module")
def parts():
    torch.set_num_threads(1)
    return Glyphs.render(), make_pool(1, 100, 1), {name: build(chat=name == "klein") for name in ("klein", "ernie")}


def make_trainer(parts, architecture: str, steps: int = 100) -> denoiser.Trainer:
    glyphs, pool, tokenizers = parts
    torch.manual_seed(0)
    tokenizer = tokenizers[architecture]
    batches = encoder.Batches(pool, tokenizer, glyphs, "cpu", seed=5)
    text = encoder.Encoder(architecture, len(tokenizer))
    return denoiser.Trainer(architecture, text, batches, autoencoder.Canvas(glyphs, "cpu"), Clock(steps))


def test_muon_updates_as_torch_does():
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(*shape)) for shape in ((8, 20), (20, 8), (8, 20), (6, 6))]
    theirs = [torch.nn.Parameter(matrix.detach().clone()) for matrix in ours]
    start = [matrix.detach().clone() for matrix in ours]
    a = Muon(ours, 0.02, weight_decay=0.1)
    b = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for x, y in zip(ours, theirs, strict=True):
            x.grad = torch.randn_like(x)
            y.grad = x.grad.clone()
        a.step()
        b.step()
    for x, y, z in zip(ours, theirs, start, strict=True):
        # Both iterate in bfloat16, in another order of sums.
        assert (x - y).norm() < 0.03 * (y - z).norm()


def test_course_rises_stays_and_falls():
    assert [course(x) for x in (0.01, 0.02, 0.5)] == [0.5, 1.0, 1.0]
    assert course(0.75) == pytest.approx(0.525)
    assert course(1.0) == pytest.approx(0.05)


def test_progress_is_the_larger_of_steps_and_seconds():
    clock = Clock(10, seconds=1e-9)
    assert clock.progress == 1.0
    clock = Clock(10)
    clock.step = 5
    assert clock.progress == 0.5


def test_average_follows_the_parameters():
    module = torch.nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = Average(module)
    module.weight.data.fill_(1.0)
    average.update()
    # The first decay is (1 + 1) / (10 + 1).
    assert average.state_dict()["weight"].item() == pytest.approx(9 / 11)


def test_half_of_all_samples_start_from_noise():
    torch.manual_seed(0)
    values = denoiser.sigmas(20_000, 4, "cpu")
    assert (values == 1.0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert torch.isin(values, torch.tensor([0.25, 0.5, 0.75])).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_batches_wrap_and_pad_as_the_pipelines_do(parts):
    glyphs, pool, tokenizers = parts
    for name, tokenizer in tokenizers.items():
        batches = encoder.Batches(pool, tokenizer, glyphs, "cpu", seed=1)
        batch = batches.draw(6, 200, 512 if name == "klein" else None)
        for ids, mask in zip(batch["ids"], batch["mask"].bool(), strict=True):
            real = ids[mask].tolist()
            assert real[: len(batches.prefix)] == batches.prefix
            assert real[-len(batches.suffix) :] == batches.suffix
            assert (ids[~mask] == tokenizer.pad_token_id).all()
        drawn = batch["glyph"] >= 0
        assert drawn.any()
        characters = [glyphs.characters[number] for number in batch["glyph"][drawn].tolist()]
        assert characters == [tokenizer.decode([token]) for token in batch["ids"][drawn].tolist()]


@pytest.mark.parametrize("architecture", ["klein", "ernie"])
def test_a_resumed_training_equals_an_uninterrupted_one(parts, architecture):
    whole = make_trainer(parts, architecture)
    for _ in range(2):
        whole.step(900)
    kept = io.BytesIO()
    torch.save(whole.state_dict(), kept)  # as a file: what goes on does not change it
    whole.step(900)
    second = make_trainer(parts, architecture)
    kept.seek(0)
    second.load_state_dict(torch.load(kept, weights_only=True))
    second.step(900)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, second.average.state_dict()[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["klein", "ernie"])
def test_training_learns(parts, architecture):
    trainer = make_trainer(parts, architecture, steps=14)
    losses = [trainer.step(600).item() for _ in range(6)]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_a_character_can_be_added_to_a_trained_encoder(parts):
    glyphs, _, tokenizers = parts
    tokenizer = tokenizers["ernie"]
    after = spelling(tokenizer)
    model = encoder.Encoder("ernie", len(tokenizer))
    numbers = torch.from_numpy(encoder.token_glyphs(tokenizer, glyphs))
    model.start_from(glyphs, numbers)
    new = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("中"))[0]
    kept = [number for number in range(len(after)) if number != new]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][kept]
    found = encoder.extended(half(weights), [after[number] for number in kept], after, glyphs, numbers)
    rows = found["model.embed_tokens.weight"]
    before = model.state_dict()["model.embed_tokens.weight"]
    assert torch.allclose(rows[kept], before[kept], atol=1e-2)
    shape = torch.from_numpy(glyphs.codes[glyphs.tiles[numbers[new]]]).flatten()
    with torch.no_grad():
        told, nothing = model.shape(rows[new]), model.shape.bias
    assert ((told - shape) ** 2).mean() < 0.3 * ((nothing - shape) ** 2).mean()


def test_plans_differ_in_how_often_they_pad(parts):
    trainer = make_trainer(parts, "klein")

    def padded():
        lengths = []
        for step in range(8):
            trainer.clock.step = step
            lengths.append(trainer.stage()[2])
        return lengths

    assert padded() == [None] * 8
    trainer.plan = "mixed"
    assert padded() == [None, 512, 512, 512] * 2
    trainer.plan = "short"
    assert padded() == [None, None, None, 512] * 2


@pytest.mark.parametrize("architecture", ["klein", "ernie"])
def test_a_shipped_stand_in_is_taken_apart_into_what_it_was_made_of(architecture):
    from diffusers import DiffusionPipeline

    folder = data_dir() / "standins" / export.FOLDERS[architecture]
    parts = export.unpack(folder)
    made = export.assemble(architecture, parts["decoder"], parts["encoder"], parts["transformer"])
    loaded = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    for name in ("transformer", "text_encoder", "vae"):
        one, other = getattr(made, name).state_dict(), getattr(loaded, name).state_dict()
        assert one.keys() == other.keys()
        for key, value in one.items():
            # What no part holds (the vision tower, which never sees an image) is drawn at random.
            assert "vision" in key or "multi_modal" in key or torch.equal(value.float(), other[key].float()), key


@pytest.mark.slow
def test_a_repair_keeps_checkpoints_on_its_way(tmp_path):
    shipped = data_dir() / "standins"
    command = ["--out", str(tmp_path), "--only", "ernie", "--repair", "0.4", "--seed", "7", "--prompts", "100"]
    command += ["--steps", "1", "2", "1", "--tokens", "1", "700", "--keep", "0.5", "--every", "1000"]
    assert train.main([*command, "--shipped", str(shipped)]) == 0
    kept = sorted((tmp_path / "ernie-checkpoints").iterdir())
    assert [path.name for path in kept] == ["step-000001.safetensors", "step-000002.safetensors"]
    first, last, final = (load_file(path) for path in (*kept, tmp_path / "ernie-transformer.safetensors"))
    whole = load_file(shipped / export.FOLDERS["ernie"] / "transformer" / export.WEIGHTS)
    name = "layers.0.self_attention.to_q.weight"
    assert all(torch.equal(value, final[key]) for key, value in last.items())
    assert not torch.equal(first[name], last[name])
    # Two steps mend a little: they end nearer to where they began, the worn copy, than that is to the stand-in.
    start = wear.worn(whole, 0.4, 7)[name].float()
    assert 0 < (final[name].float() - start).norm() < 0.5 * (start - whole[name].float()).norm()
