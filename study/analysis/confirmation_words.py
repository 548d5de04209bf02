"""What a confirmation says in sentences, each computed from its verdict and each with its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from study.analysis.confirmation import LEAST_SEEDS, test_column
from study.analysis.intervals import one_more
from study.analysis.judgement import Judgement


def sentences(judgement: Judgement) -> list[str]:
    """The verdict's reason first, then what became of the search's value, and how the floor stands to it."""
    return [sentence for sentence in (_reason(judgement), _regression(judgement), _floor(judgement)) if sentence]


def notes(judgement: Judgement) -> list[str]:
    """What must be known before the numbers are believed."""
    told = list(judgement.confirmation.notes)
    rows = judgement.verdict.rows
    low, high = min(row.epochs for row in rows.values()), max(row.epochs for row in rows.values())
    if low < high:
        told.append(
            f"Each configuration trains for its own number of epochs, {low} to {high}: a difference includes what those buy."
        )
    for name, row in rows.items():
        if row.failed:
            reasons = ", ".join(f"{count} {reason}" for reason, count in row.failed.items())
            told.append(f"Runs of {name} failed ({reasons}) and are in no mean.")
    if judgement.verdict.uncompared:
        told.append(f"Not compared, for want of common seeds: {', '.join(judgement.verdict.uncompared)}.")
    if judgement.folder.manifest["data"].get("protocol") == "handout":
        told.append(
            "Protocol 'handout': the test images chose the best epochs and the trials, so their scores flatter every candidate."
        )
    if judgement.verdict.rivals:
        told.append(
            "Intervals are 95 % t-intervals over seeds, each for itself; p is corrected (Holm) for all questions together. "
            "Split and images are the same in all runs."
        )
    return told


def _reason(judgement: Judgement) -> str:
    """Why the verdict is what it is, in one sentence with its numbers."""
    verdict = judgement.verdict
    name, seeds = verdict.winner.candidate.name, len(judgement.confirmation.seeds)
    if verdict.ground == "unfinished":
        return (
            f"{judgement.ended} of {len(judgement.runs)} runs have ended; {judgement.folder.resume_command} "
            "goes on with the rest."
        )
    if verdict.ground == "few seeds":
        return f"from {verdict.winner.value.n} of {seeds} seeds of {name} nothing can be told; give --seeds 5, or more."
    if verdict.ground == "no pairs":
        return (
            f"no other candidate has {LEAST_SEEDS} seeds in common with {name}, so there is nothing to compare it with."
        )
    if verdict.ground == "diverged":
        count = verdict.winner.failed["diverged"]
        return f"{name}, the search's best, diverged with {count} of {seeds} fresh seeds."
    if verdict.ground == "beaten":
        better = _listed(judgement, verdict.named(better=True))
        return f"by {_by(judgement)}, {better} is better than {name}, the search's best, with {_own(judgement)}."
    if verdict.outcome == "confirmed":
        worse = _listed(judgement, verdict.named(worse=True))
        return f"by {_by(judgement)}, {name} with {_own(judgement)} is better than {worse}."
    return _tied(judgement)


def _tied(judgement: Judgement) -> str:
    verdict = judgement.verdict
    name, worse = verdict.winner.candidate.name, verdict.named(worse=True)
    told = (
        f"by {_by(judgement)}, {name}, the search's best, with {_own(judgement)} cannot be told apart from "
        f"{_listed(judgement, verdict.named())}"
    )
    if worse:
        told += f"; it is better than {_listed(judgement, worse)}"
    return f"{told}, and the value that the search saw was luck." if verdict.ground == "lucky" else f"{told}."


def _regression(judgement: Judgement) -> str:
    """The value seen in the search beside the confirmed one."""
    verdict, measure = judgement.verdict, judgement.measure
    seen, value = verdict.winner.candidate.value, verdict.winner.value
    if verdict.search is None or seen is None:
        return ""
    low, high = one_more(value)
    if verdict.search.is_better or verdict.search.is_worse:
        fit = f": what it saw is {'better' if verdict.search.is_better else 'worse'} than that"
    else:
        fit = ", as it does" if low <= seen <= high else "; it lies outside, though not significantly after correction"
    return (
        f"The search saw {measure.name} {measure.text(seen)}; fresh seeds give "
        f"{measure.with_spread(value.mean, value.half_width)} (n = {value.n}), and 95 of 100 single runs would lie between "
        f"{measure.text(low)} and {measure.text(high)}{fit}."
    )


def _floor(judgement: Judgement) -> str:
    """How the winner stands to the table that needs no network, on the test images."""
    verdict, test, own = judgement.verdict, judgement.test, judgement.decisive
    floor = test.floors.get(str(judgement.folder.space.config(verdict.winner.candidate.params).palette_name))
    if floor is None or own.n < LEAST_SEEDS:
        return ""
    table = f"the grey table ({test.text(floor)}), which needs no network, by {test.name}"
    name = verdict.winner.candidate.name
    if own.low <= floor <= own.high:
        return f"{_capital(name)} cannot be told apart from {table}."
    return f"{_capital(name)} is {'better' if test.is_better(own.mean, floor) else 'WORSE'} than {table}."


def _by(judgement: Judgement) -> str:
    return f"{judgement.test.name} over {len(judgement.confirmation.seeds)} fresh seeds"


def _own(judgement: Judgement) -> str:
    return judgement.test.with_spread(judgement.decisive.mean, judgement.decisive.half_width)


def _listed(judgement: Judgement, names: Sequence[str]) -> str:
    """Rivals with their scores and the corrected p of the difference: `trial 8 (1.262 ± 0.020, p = 0.210) and default`."""
    column = test_column(judgement.measure.metric)
    told = []
    for name in names:
        score = judgement.verdict.rows[name].test[column]
        p = judgement.verdict.rivals[name].p_corrected
        chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        article = "the " if name == "default" else ""
        told.append(f"{article}{name} ({judgement.test.with_spread(score.mean, score.half_width)}, {chance})")
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
