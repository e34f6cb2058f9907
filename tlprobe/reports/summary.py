"""The summary: what all records say, by question, each sentence once."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from tlprobe.reports.sentences.said import said_of
from tlprobe.reports.sentences.scores import trainings
from tlprobe.reports.sentences.sentence import TOPICS, Sentence, Topic
from tlprobe.reports.sources import Source

__all__ = ["Question", "summary"]

FEW_RUNS = 6
"""Trainings that get a sentence each; more are told together."""


@dataclasses.dataclass(frozen=True)
class Question:
    """A question with the sentences that answer it, each with the numbers of the sections it is from."""

    heading: str
    answers: list[tuple[str, list[int]]]


def summary(
    sources: Sequence[Source], *, unread: Sequence[str] = (), more: Mapping[int, Iterable[Sentence]] | None = None
) -> list[Question]:
    """Return the questions that the records answer.

    Parameters
    ----------
    sources : sequence of Source
    unread : sequence of str
        What could not be read, see `tlprobe.reports.sources.read_sources`.
    more : mapping of int to sentences, optional
        Further sentences of some sources, by number.
    """
    found: dict[Topic, dict[str, list[int]]] = {topic: {} for topic in TOPICS}
    ranks: dict[str, int] = {}
    runs = [number for number, source in enumerate(sources) if source.record.probe == "fit"]
    together = len(runs) > FEW_RUNS
    for number, source in enumerate(sources):
        said = [*said_of(source.record), *(more or {}).get(number, ())]
        for sentence in said:
            if together and number in runs and sentence.topic == "scores":
                continue
            found[sentence.topic].setdefault(sentence.text, []).append(number)
            ranks[sentence.text] = sentence.rank
    if together:
        for sentence, members in trainings([sources[number].record for number in runs]):
            found[sentence.topic][sentence.text] = [runs[member] for member in members]
    for line in unread:
        found["missing"][f"{line}."] = []
    return [
        Question(TOPICS[topic], sorted(answers.items(), key=lambda answer: ranks.get(answer[0], 0)))
        for topic, answers in found.items()
        if answers
    ]
