"""Scores are means over pixels, checked on networks whose answer is known."""

import json
import math

import numpy as np
import pytest
import torch
from skimage import color
from torch import Tensor, nn

from colournet import palette
from colournet.batches import ImageSet
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import DataBundle
from colournet.evaluation import colourize, evaluate, score
from colournet.metrics import psnr_db
from colournet.models import build
from colournet.palette import quantize
from colournet.progress import scores_table, verdict

CPU = torch.device("cpu")
CHROMA = np.array([[0, 0], [30, -20], [-40, 40]], dtype=np.float32)
PALETTE = np.array([[0, 0, 0], [64, 64, 64], [128, 128, 128], [0, 192, 0]], dtype=np.float32) / 256
CONFIG = TrainConfig(num_colours=4, num_filters=1)
REGRESSION = CONFIG.replace(model="regression_cnn")


class Constant(nn.Module):
    """Answers the same numbers for every pixel."""

    def __init__(self, *answer: float) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.tensor(answer))

    def forward(self, grey: Tensor) -> Tensor:
        """Spread the answer over the picture."""
        count, _, height, width = grey.shape
        return self.answer[None, :, None, None].expand(count, -1, height, width)


class GreyCopy(nn.Module):
    """Answers the grey that it sees in all three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, grey: Tensor) -> Tensor:
        """Copy."""
        return grey.expand(-1, 3, -1, -1)


def labelled_images(*, count: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """Read-only images in palette colours, and their labels; more than one batch, and no multiple of it."""
    labels = np.random.default_rng(0).integers(0, 4, (count, 4, 4), dtype=np.uint8)
    images = np.ascontiguousarray((PALETTE * 256).astype(np.uint8)[labels].transpose(0, 3, 1, 2))
    images.setflags(write=False)
    return images, labels


def test_uniform_logits() -> None:
    """A network that knows nothing pays the logarithm of the number of colours, and is right where the first colour is."""
    images, labels = labelled_images()

    scores = score(
        Constant(0.0, 0.0, 0.0, 0.0), ImageSet.on(CPU, images, labels), torch.tensor(PALETTE), regression=False
    )

    assert scores.loss == pytest.approx(math.log(4), rel=1e-6)
    assert scores.accuracy == pytest.approx((labels == 0).mean())
    assert scores.mse == pytest.approx(((images / 256) ** 2).mean(), rel=1e-6)  # it answers black


def test_constant_regression() -> None:
    """A regression is scored by its squared error, and its colours are read as the nearest of the palette."""
    images, labels = labelled_images()

    scores = score(Constant(0.24, 0.25, 0.26), ImageSet.on(CPU, images, labels), torch.tensor(PALETTE), regression=True)

    answer = np.array([0.24, 0.25, 0.26])[:, None, None]
    assert scores.mse == pytest.approx(((answer - images / 256) ** 2).mean(), rel=1e-6)
    assert scores.loss == pytest.approx(scores.mse, rel=1e-6)
    assert scores.accuracy == pytest.approx((labels == 1).mean())


def test_constant_chroma() -> None:
    """A regression of chroma is scored by a and b in its unit, read by the nearest chroma, and seen with the picture's grey."""
    images = np.random.default_rng(0).integers(0, 256, (150, 3, 4, 4), dtype=np.uint8)
    labels = quantize(images, CHROMA)

    scores = score(Constant(0.5, -0.25), ImageSet.on(CPU, images, labels), torch.tensor(CHROMA), regression=True)

    answer = np.array([0.5 * 50, -0.25 * 50], dtype=np.float32)
    lab = color.rgb2lab(images.transpose(0, 2, 3, 1))[..., 1:]
    assert scores.loss == pytest.approx(((answer / 50 - lab / 50) ** 2).mean(), rel=1e-3)
    assert scores.accuracy == pytest.approx((labels == 1).mean())
    assert scores.mse == pytest.approx(picture_error(images, answer), rel=1e-3)


def test_likeliest_chroma() -> None:
    """A classification of chroma is right where the nearest chroma is its likeliest, and that is lit by the picture's grey."""
    images = np.random.default_rng(0).integers(0, 256, (150, 3, 4, 4), dtype=np.uint8)
    labels = quantize(images, CHROMA)

    scores = score(Constant(0.0, 1.0, 0.0), ImageSet.on(CPU, images, labels), torch.tensor(CHROMA), regression=False)

    assert scores.accuracy == pytest.approx((labels == 1).mean())
    assert scores.mse == pytest.approx(picture_error(images, CHROMA[1]), rel=1e-3)


def test_nearest_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few distances are held at a time, a regression's answers are read alike, by hundreds of colours too."""
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)
    table = np.random.default_rng(1).random((300, 3), dtype=np.float32)
    data = ImageSet.on(CPU, images, quantize(images, table))

    whole = score(GreyCopy(), data, torch.tensor(table), regression=True)
    monkeypatch.setattr(palette, "CELLS", 1000)

    assert score(GreyCopy(), data, torch.tensor(table), regression=True) == whole
    greys = np.rint(images.mean(axis=1, keepdims=True)).astype(np.uint8).repeat(3, axis=1)
    assert whole.accuracy == pytest.approx((quantize(greys, table) == quantize(images, table)).mean(), abs=0.02)


def test_evaluate_chroma() -> None:
    """Models of chroma have the scores and floors of all others, and a regression's is called by its space."""
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 12, 12), dtype=np.uint8)
    config = CONFIG.replace(num_colours=3, colour_space="lab")

    classified = evaluate(Model(Constant(0.0, 0.0, 9.0), config, CHROMA), images, images)
    regressed = evaluate(Model(Constant(0.0, 0.0), config.replace(model="regression_cnn"), CHROMA), images, images)

    assert list(classified) == list(evaluate(Model(Constant(0.0, 0.0, 0.0, 9.0), CONFIG, PALETTE), images, images))
    assert classified["measures"]["model"]["mse"] == pytest.approx(classified["mse"], rel=1e-3)
    assert list(regressed["decoding"]) == ["lab", "lab_grey"]
    assert regressed["mse"] == pytest.approx(regressed["floors"]["grey_copy"]["mse"], rel=1e-4)  # no chroma is grey
    assert regressed["chroma_mse"] == pytest.approx(regressed["floors"]["grey_copy"]["chroma_mse"], rel=1e-4)
    for scores in (classified, regressed):
        json.dumps(scores, allow_nan=False)
        assert "30 test images" in scores_table(scores, name="model", split="test")


def picture_error(images: np.ndarray, chroma: np.ndarray) -> float:
    """Squared error of one chroma with the grey of the images, as 8-bit pictures."""
    labels = np.zeros((len(images), *images.shape[2:]), dtype=np.uint8)
    pictures = palette.decode(labels, chroma[None], grey=images.mean(axis=1, dtype=np.float32))
    return float(((pictures / 256 - images / 256) ** 2).mean())


def test_score_does_not_train() -> None:
    """Scoring leaves the network's running means alone."""
    images, labels = labelled_images(count=3)
    network = build(CONFIG)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    score(network.train(), ImageSet.on(CPU, images, labels), torch.tensor(PALETTE), regression=False)

    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_evaluate() -> None:
    """A model's scores stand beside the floors, under names that a script can rely on."""
    images, _ = labelled_images()

    scores = evaluate(Model(Constant(0.0, 0.0, 0.0, 9.0), CONFIG, PALETTE), images, images)

    assert list(scores) == ["images", "cross_entropy", "accuracy", "mse", "psnr_db", "decoding", "floors", "measures"]
    assert scores["images"] == 250
    assert scores["psnr_db"] == pytest.approx(-10 * math.log10(scores["mse"]))
    assert list(scores["floors"]) == ["grey_copy", "grey_table", "palette_ceiling"]


def test_evaluate_in_the_threads_of_training() -> None:
    """Scores are computed in as many threads as the config says, as in training; then there are as many as before."""
    images, _ = labelled_images(count=3)
    during = []
    network = Constant(0.0, 0.0, 0.0, 9.0)
    network.register_forward_hook(lambda *_: during.append(torch.get_num_threads()))
    before = torch.get_num_threads()

    evaluate(Model(network, CONFIG.replace(num_threads=before + 1), PALETTE), images, images)

    assert set(during) == {before + 1}
    assert torch.get_num_threads() == before


def test_measures() -> None:
    """The model and each floor have the same measures, which agree with the scores and are those of the right pictures."""
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 12, 12), dtype=np.uint8)

    scores = evaluate(Model(Constant(0.0, 0.0, 0.0, 9.0), CONFIG, PALETTE), images, images)

    measures = scores["measures"]
    assert list(measures) == [
        *("grey_copy", "grey_table", "palette_ceiling", "palette_ceiling_grey_restored", "model"),
    ]
    assert len({tuple(found) for found in measures.values()}) == 1
    assert measures["model"]["mse"] == pytest.approx(scores["mse"])
    assert measures["model"]["psnr_pooled_db"] == pytest.approx(scores["psnr_db"])
    assert measures["grey_copy"]["colourfulness"] == 0
    assert measures["palette_ceiling"]["balanced_accuracy"] == 1
    for floor in ("grey_table", "palette_ceiling"):
        assert measures[floor]["mse"] == pytest.approx(scores["floors"][floor]["mse"])
    assert measures["palette_ceiling_grey_restored"]["mse"] < measures["palette_ceiling"]["mse"]


def test_evaluate_a_perfect_regression() -> None:
    """No error at all is an infinite PSNR, told as None, and a regression has no cross-entropy."""
    images = np.full((3, 3, 4, 4), 64, dtype=np.uint8)

    scores = evaluate(Model(GreyCopy(), REGRESSION, PALETTE), images, images)

    assert scores["cross_entropy"] is None
    assert scores["mse"] == 0
    assert scores["psnr_db"] is None
    assert scores["accuracy"] == 1
    assert scores["measures"]["model"]["psnr_pooled_db"] is None
    assert scores["measures"]["model"]["ssim"] is None  # of pictures smaller than its window
    json.dumps(scores, allow_nan=False)


@pytest.mark.parametrize(
    ("config", "network", "colours"),
    [
        (CONFIG, Constant(math.nan, 0.0, 0.0, 0.0), PALETTE),
        (REGRESSION, Constant(math.nan, 0.0, 0.0), PALETTE),
        (REGRESSION.replace(num_colours=3, colour_space="lab"), Constant(math.nan, 0.0), CHROMA),
    ],
    ids=["classification", "regression", "regression of chroma"],
)
def test_evaluate_a_broken_model(config: TrainConfig, network: nn.Module, colours: np.ndarray) -> None:
    """A model of NaN is scored as JSON, and the table and its sentence are still written."""
    images, _ = labelled_images(count=5)

    scores = evaluate(Model(network, config, colours), images, images)

    assert scores["cross_entropy"] is None
    assert "model" not in scores["measures"]
    json.dumps(scores, allow_nan=False)
    assert "5 test images" in scores_table(scores, name=config.model, split="test")


def test_colourize() -> None:
    """A classification is coloured by its likeliest colour, a regression by its rounded and clipped answer."""
    images, _ = labelled_images(count=2)

    classified = colourize(Model(Constant(0.0, 1.0, 0.0, 2.0), CONFIG, PALETTE), images)
    regressed = colourize(Model(Constant(-0.5, 0.251, 7.0), REGRESSION, PALETTE), images)

    assert classified.shape == regressed.shape == images.shape
    assert (classified == np.array([0, 192, 0])[:, None, None]).all()
    assert (regressed == np.array([0, 64, 255])[:, None, None]).all()


def test_colourize_with_grey_restored() -> None:
    """The colour is the network's, by any method, and the grey is the picture's."""
    images = np.full((2, 3, 4, 4), 100, dtype=np.uint8)
    model = Model(Constant(0.0, 1.0, 0.0, 2.0), CONFIG, PALETTE)

    restored = colourize(model, images, method="mean", restore=True)
    plain = colourize(model, images, method="mean")

    assert restored.mean() == pytest.approx(100, abs=0.5)
    assert (restored[:, 1] - restored[:, 0].astype(int) == plain[:, 1] - plain[:, 0].astype(int)).all()


def test_decodings() -> None:
    """Each decoding is scored with and without the grey; argmax is what the other scores are of."""
    images, _ = labelled_images()

    scores = evaluate(Model(Constant(0.0, 0.5, 0.2, 1.0), CONFIG, PALETTE), images, images)

    decoding = scores["decoding"]
    assert list(decoding) == ["argmax", "argmax_grey", "mean", "mean_grey", "annealed", "annealed_grey"]
    assert decoding["argmax"]["mse"] == pytest.approx(scores["mse"], rel=1e-9)
    assert decoding["mean"]["mse"] < decoding["annealed"]["mse"] < decoding["argmax"]["mse"]
    for method in ("argmax", "mean", "annealed"):
        assert decoding[f"{method}_grey"]["mse"] < decoding[method]["mse"]


def test_decoding_of_a_regression() -> None:
    """A regression's answer is its only decoding; a copy of the grey has nothing to restore."""
    images, _ = labelled_images()

    scores = evaluate(Model(GreyCopy(), REGRESSION, PALETTE), images, images)

    assert list(scores["decoding"]) == ["rgb", "rgb_grey"]
    assert scores["decoding"]["rgb_grey"]["mse"] == pytest.approx(scores["mse"], rel=1e-6)
    assert scores["mse"] == pytest.approx(scores["floors"]["grey_copy"]["mse"], rel=1e-6)


def test_colourize_sees_grey_only(bundle: DataBundle) -> None:
    """Two pictures with the same grey are coloured alike."""
    colour = np.stack([np.full((8, 8), value, dtype=np.uint8) for value in (30, 60, 90)])[None]
    grey = np.full((1, 3, 8, 8), 60, dtype=np.uint8)
    model = Model(build(CONFIG), CONFIG, PALETTE)

    assert (colourize(model, colour) == colourize(model, grey)).all()


@pytest.mark.parametrize(("loss", "word"), [(0.5, "better"), (1.0, "WORSE"), (2.0, "WORSE")])
def test_verdict(loss: float, word: str) -> None:
    """The sentence says whether the model beats the table, for which a tie is not enough."""
    scores = {"cross_entropy": loss, "mse": 0.1, "floors": {"grey_table": {"cross_entropy": 1.0, "mse": 0.1}}}

    assert f"the model is {word} than the grey table" in verdict(scores)


def test_psnr() -> None:
    """A tenth of the squared error is ten decibels more."""
    assert psnr_db(1.0) == 0
    assert psnr_db(0.001) == pytest.approx(30)
    assert psnr_db(0.0) == math.inf
