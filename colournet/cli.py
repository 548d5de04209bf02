"""`colournet`: the work of one trial, from the command line. Commands declare, import late, call and print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from colournet import entrypoint
from colournet.classifier_cli import train_classifier
from colournet.config import COLOUR_SPACES, MODELS
from colournet.options import DATA_DIR, config_options, read_settings, split_names
from colournet.waiting import waiting

_SPLIT = click.option(
    "--split", type=click.Choice(["test", "validation"]), default="test", show_default=True, help="Which images."
)


@click.group(name="colournet", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.version_option(package_name="colournet-study")
def cli() -> None:
    """Train, and look at, small networks that colour small pictures."""


cli.add_command(train_classifier)


@cli.command()
@config_options
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="A config.toml; other options override it."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/DATASET-CATEGORY-MODEL]"
)
@click.option(
    "--resume", is_flag=True, help="Go on from the last checkpoint in --out, with its config unless --config is given."
)
@DATA_DIR
def train(config_file: Path | None, out: Path | None, resume: bool, data_dir: Path | None, **settings: Any) -> None:
    """Train one network and leave a run folder."""
    from colournet.data import prepare
    from colournet.progress import epoch_progress
    from colournet.runs import RunFolder, train_run

    config = read_settings(config_file, settings)
    folder = RunFolder(out or Path("runs") / f"{config.dataset}-{config.category}-{config.model}")
    folder.check(resume=resume)
    if resume and config_file is None:
        config = read_settings(folder.config, settings)
    with waiting("reading the data"):
        data = prepare(config, data_dir=data_dir).for_run(config)
    with epoch_progress(config.epochs) as tell:
        result = train_run(config, data, folder, resume=resume, on_epoch=tell)
    best = result.best
    click.echo(
        f"{folder.root}: best epoch {best.epoch} of {len(result.history)}, "
        f"validation loss {best.val_loss:.4f}, accuracy {best.val_accuracy:.1%}"
    )


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@_SPLIT
@click.option(
    "--classifier",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Show also what this classifier sees, a folder that `train-classifier` left.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@DATA_DIR
def evaluate(run: Path, split: str, classifier: Path | None, as_json: bool, data_dir: Path | None) -> None:
    """Score the model of a run folder beside the floors that need no network."""
    from colournet.checkpoints import load_model
    from colournet.data import read_images, read_train_images
    from colournet.perception import evaluate_seen, how_to_train, open_judge
    from colournet.progress import scores_table
    from colournet.runs import RunFolder

    model = load_model(RunFolder(run).model if run.is_dir() else run)
    config = model.config
    with waiting("reading the data"):
        judge = None if classifier is None else open_judge(classifier, config, split=split, data_dir=data_dir)
        images = read_images(config, split=split, data_dir=data_dir)
        train_images = read_train_images(config.replace(extra_classes=()), data_dir=data_dir)
    with waiting(f"scoring {len(images):,} images"):
        scores = evaluate_seen(model, images, train_images, judge=judge)
    if as_json:
        click.echo(json.dumps(scores, indent=2, allow_nan=False))
        return
    click.echo(scores_table(scores, name=config.model, split=split))
    if judge is None:
        click.echo(f"\nfor what a classifier sees: {how_to_train(config)}, then --classifier runs/classifier", err=True)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the NAME-colour.png files.")
@click.option(
    "--method",
    type=click.Choice(["argmax", "mean", "annealed"]),
    default="mean",
    show_default=True,
    help="How the network's answer becomes colour; a regression answers in colour.",
)
def colourize(run: Path, images: tuple[Path, ...], out: Path, method: str) -> None:
    """Colour photos (PNG, JPEG, WebP) of any size, or folders of them, keeping their grey."""
    from colournet.checkpoints import load_model
    from colournet.colourize import colourize_files, plan
    from colournet.progress import image_progress, told
    from colournet.runs import RunFolder

    model = load_model(RunFolder(run).model if run.is_dir() else run)
    jobs = plan(images, out)
    with image_progress(len(jobs)) as tell:
        outcomes = colourize_files(model, jobs, method=method, on_image=tell)
    for line in told(outcomes):
        click.echo(line)


@cli.command("import-handout")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option(
    "--palette",
    type=click.Path(path_type=Path),
    help="The colours that the network answers, colour_kmeans*.npy; a regression needs none.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--model",
    type=click.Choice(MODELS),
    help="What the shapes cannot tell: dilated_unet has those of unet.  [default: told by shapes and the file's name]",
)
@DATA_DIR
def import_handout(weights: Path, palette: Path | None, out: Path, model: str | None, data_dir: Path | None) -> None:
    """Make a run folder of one of the course's weight files (*.pkl), for every other command."""
    from colournet.handout import import_weights
    from colournet.runs import RunFolder

    with waiting("importing the weights"):
        imported = import_weights(weights, RunFolder(out), palette_file=palette, model=model, data_dir=data_dir)
    config = imported.config
    click.echo(f"{weights.name} is taken for a {config.model}: {imported.reason}", err=True)
    click.echo(
        f"{out}: {config.model}, kernel size {config.kernel_size}, {config.num_filters} filters, "
        f"{config.num_colours} colours"
    )


@cli.command()
@click.option(
    "--dataset", type=str, metavar="NAME", default="cifar10", show_default=True, help="`cifar10` or `scenes`."
)
@click.option(
    "--category",
    type=str,
    metavar="CLASS,...",
    default="horse",
    show_default=True,
    help="Classes whose training images are read.",
)
@click.option("--num-colours", type=int, default=24, show_default=True, help="Size of the palette, 2 to 65,536.")
@click.option(
    "--space",
    type=click.Choice(COLOUR_SPACES),
    default="rgb",
    show_default=True,
    help="Colours in RGB, or chroma alone: a and b of CIE L*a*b*.",
)
@click.option("--data-seed", type=int, default=0, show_default=True, help="Seed of the split, the scenes and the fit.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The palette's JSON file; the picture of its swatches goes beside it as .png.",
)
@DATA_DIR
def palette(
    dataset: str, category: str, num_colours: int, space: str, data_seed: int, out: Path, data_dir: Path | None
) -> None:
    """Fit a palette to training images; write its colours and a picture of them."""
    from colournet import swatches

    swatches.check_path(out)
    with waiting(f"fitting {num_colours:,} colours"):
        fitted = swatches.fit(
            dataset=dataset,
            categories=split_names(category),
            num_colours=num_colours,
            space=space,
            data_seed=data_seed,
            data_dir=data_dir,
        )
    picture = swatches.save(fitted, out)
    click.echo(f"{out}: {swatches.title(fitted)}; picture {picture}")


@cli.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@config_options
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="A config.toml; other options override it."
)
@click.option(
    "--filters",
    is_flag=False,
    flag_value="3,5,3:2",
    metavar="[SIDE[:DILATION],...]",
    help="Compare filters instead, by default 3 x 3, 5 x 5 and 3 x 3 with one gap (dilation 2).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown"]),
    default="text",
    show_default=True,
    help="How to print the table.",
)
@click.option("--figure", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw it, too.")
def describe(
    run: Path | None, config_file: Path | None, filters: str | None, form: str, figure: Path | None, **settings: Any
) -> None:
    """Show the layers of a network, of a RUN or of settings: filters, sizes, weights, work, receptive fields."""
    from colournet.describe import compare_filters, read_config, show_network

    if filters is not None:
        click.echo(compare_filters(filters, form=form, figure=figure))
        return
    if run is not None and config_file is not None:
        raise click.UsageError("a RUN has its own config: leave out --config")
    config = read_settings(config_file, settings, known=read_config(run) if run is not None else None)
    click.echo(show_network(config, form=form, figure=figure))


@cli.command()
@click.argument("runs", type=click.Path(path_type=Path), metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--index", "indices", type=int, multiple=True, default=(0,), show_default=True, help="Which image; may be repeated."
)
@_SPLIT
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    default="activations.png",
    show_default=True,
    help="The figure; of several images each gets its index into the name.",
)
@DATA_DIR
def activations(runs: tuple[Path, ...], indices: tuple[int, ...], split: str, out: Path, data_dir: Path | None) -> None:
    """Draw what the blocks of one or more runs answer to the same image."""
    from colournet.show_activations import show_activations

    with waiting("drawing the activations"):
        paths = list(show_activations(runs, indices, split=split, out=out, data_dir=data_dir))
    for path in paths:
        click.echo(path)


@cli.command()
@click.argument("runs", type=click.Path(path_type=Path), metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--curves", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw their training curves.")
@click.option("--samples", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw what they make of images.")
@click.option("--images", type=click.IntRange(1, 50), default=8, show_default=True, help="How many samples.")
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="Which images the samples are of.",
)
@DATA_DIR
def compare(runs: tuple[Path, ...], data_dir: Path | None, **wanted: Any) -> None:
    """Show several runs beside each other: settings and scores, training curves, samples."""
    from colournet.compare import compare_runs

    with waiting("comparing the runs"):
        comparison = compare_runs(runs, data_dir=data_dir, **wanted)
    click.echo(comparison.table)
    for note in comparison.notes:
        click.echo(f"note: {note}", err=True)


def main() -> None:
    """Run the command line and exit."""
    entrypoint.run(cli)
