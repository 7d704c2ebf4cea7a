"""What does not fit between the course of a learning rate and a training, in sentences.

`of_course` is the larger part of `lrguide.check`, which adds what it finds on how a schedule is
written and on the optimizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from .course import Course, Landmark, course_of, landmarks, stays_by_intent

__all__ = ["Finding"]

Name = Literal[
    "boundary",
    "end",
    "mid-cycle",
    "rising",
    "zero",
    "not a rate",
    "integer",
    "compiling",
    "saving",
    "accumulation",
    "epochs",
    "resumed",
    "other rate",
    "reassigned",
    "momentum",
    "skipped",  # by the logger alone
]


@dataclass(frozen=True)
class Finding:
    """One way in which a schedule does not fit a training.

    Attributes:
        name: What kind it is, in a word or two; `check` lists them.
        what: What does not fit, in a sentence.
        mend: How to mend it, in a sentence.
        step: The step that it is about, counted from 0; None if it is about all.
        epoch: The epoch of that step, counted from 0.

    Example:
        >>> from lrguide.checks import check
        >>> print(check(0, steps_per_epoch=48, epochs=1)[0])
        integer: the rate is the integer 0, which Keras refuses. Write 0.0.
    """

    name: Name
    what: str
    mend: str
    step: int | None = None
    epoch: int | None = None

    def __str__(self) -> str:
        """Return all of it on one line."""
        return f"{self.name}: {self.what} {self.mend}"


@dataclass(frozen=True)
class Span:
    """The steps of a training, the last one included; an update after `every` of them."""

    first: int
    last: int
    steps_per_epoch: int
    every: int

    @property
    def length(self) -> int:
        """The number of steps."""
        return self.last - self.first + 1

    @property
    def first_update(self) -> int:
        """The step of the first update, which comes later where gradients are accumulated."""
        return min(self.first + self.every - 1 - self.first % self.every, self.last)

    def at(self, step: int) -> str:
        """Name a step in a sentence."""
        return f"step {step} (epoch {step // self.steps_per_epoch})"

    def finding(self, name: Name, what: str, mend: str, step: int) -> Finding:
        """Make a finding about a step."""
        return Finding(name, what, mend, step, step // self.steps_per_epoch)


def of_course(span: Span, schedule: LearningRateSchedule) -> list[Finding]:
    """Findings on the course of the rate: in the run, before and after it."""
    marks = sorted(set(landmarks(schedule)), key=lambda mark: mark.step)
    evaluated = [mark for mark in marks if mark.kind != "timescale"]
    course = course_of(schedule, span.first, span.last, evaluated)
    findings = _values(span, course)
    findings += [
        _unreached(span, mark.step, _UNREACHED[mark.kind])
        for mark in marks
        if mark.kind in _UNREACHED and mark.step > span.last
    ]
    findings += _rising(span, marks, course)
    if not np.isfinite(course.rates).all() or any(f.name != "zero" for f in findings):
        return findings
    fate = _fate(span, schedule, course, marks)
    if all(finding.name == "mid-cycle" for finding in fate):
        fate = _in_epochs(span, marks) or fate
    # A rate of 0 after its end is no warmup that starts too low.
    over = any(finding.name == "end" and (finding.step or 0) <= span.first for finding in fate)
    return fate if over else findings + fate


def _fate(
    span: Span, schedule: LearningRateSchedule, course: Course, marks: list[Landmark]
) -> list[Finding]:
    """What becomes of the rate: whether its end is that of the run."""
    # The first step after the run may be the first to use the end rate.
    limit = span.last + 1 + span.length // 1000
    settles, far = course.settles(), int(course.steps[-1])
    # A rate that moves till the end of what was evaluated has no end: exponential, cyclical.
    settled = far - settles > (far - span.first) // 10
    # The end that a schedule names; in float32 it is often there before.
    named = max((mark.step for mark in marks if mark.kind == "end"), default=0)
    if named > far or (settled and named >= settles > 0):
        if named > limit:
            return [_ends_after(span, named, course)]
        return _ends_before(span, named, course)
    changes = course.changes()
    later = changes[course.steps[changes] > limit]
    earlier = changes[(course.steps[changes] <= limit) & (course.steps[changes] > span.first)]
    if len(later) and not len(earlier):
        return [_unreached(span, course.change(int(later[0])))]
    if not settled:
        return _mid_cycle(span, course)
    steps = [course.change(int(index)) for index in later[:4]]
    if 0 < len(steps) <= 3 and steps[0] - course.steps[earlier[-1]] > 1:
        return [_unreached(span, step) for step in steps]
    if steps:
        moves = np.diff(course.of(span.last, far))
        if (moves <= 0).all() or (moves >= 0).all():
            vanishing = _vanishes(span, course)
            return [vanishing or _ends_after(span, settles, course)]
        # Without a length of its own, what goes up and down has no end, though it may fade away.
        return _mid_cycle(span, course)
    if settles > 0 and not stays_by_intent(schedule):
        stairs = np.diff(course.last_stairs(settles))
        # Stairs count as a course if they are regular, and so do many levels.
        regular = len(stairs) >= 4 and stairs.max() <= 2 * stairs.min()
        if regular or len(np.unique(course.of(0, settles))) >= 20:
            return _ends_before(span, settles, course)
    return []


def _values(span: Span, course: Course) -> list[Finding]:
    step = course.first_where(lambda rates: ~(np.isfinite(rates) & (rates >= 0.0)), span.first)
    if step is not None and step <= span.last:
        what = f"the rate at {span.at(step)} is {course.at(step):.4g}."
        return [span.finding("not a rate", what, "A rate must be finite and not below 0.", step)]
    return [at_zero(span)] if course.at(span.first_update) == 0.0 else []


def at_zero(span: Span) -> Finding:
    """The first update has a rate of 0."""
    step = span.first_update
    what = f"the rate of the first update, at {span.at(step)}, is 0, so it changes nothing."
    mend = "Start a warmup above 0, for example at 1 / (warmup steps + 1) of the full rate."
    return span.finding("zero", what, mend, step)


_IN_STEPS = "Give steps, not epochs or samples: epochs * steps_per_epoch."
_UNREACHED = {"boundary": "change", "warmup": "end of the warmup", "peak": "first peak"}


def _unreached(span: Span, step: int, what: str = "change") -> Finding:
    sentence = f"the {what} at {span.at(step)} is never reached: the last step is {span.last}."
    return span.finding("boundary", sentence, _IN_STEPS, step)


_LENGTHS = {
    "boundary": "last change",
    "warmup": "end of the warmup",
    "cycle": "end of the first cycle",
    "timescale": "end of the timescale",
}


def _in_epochs(span: Span, marks: list[Landmark]) -> list[Finding]:
    """Lengths that look like epochs: below a tenth of one, and no more than the training has."""
    epochs = (span.last + 1) // span.steps_per_epoch
    last = {mark.kind: mark for mark in marks}  # they rise
    found = []
    for kind, thing in _LENGTHS.items():
        if kind not in last:
            continue
        step, most = last[kind].step, epochs * (2 if kind == "cycle" else 1)
        length, least = step - last[kind].start, 2 if kind == "timescale" else 1
        # A timescale of 1 is that of 1 / n, a schedule of its own.
        if least <= length <= most and 10 * length <= span.steps_per_epoch:
            what = f"the {thing} comes at {span.at(step)}, as if its length had been in epochs."
            found.append(span.finding("epochs", what, _IN_STEPS, step))
    return found


def _rising(span: Span, marks: list[Landmark], course: Course) -> list[Finding]:
    far = int(course.steps[-1])
    for mark in marks:
        if mark.kind != "end" or mark.step > far:
            continue
        start, end = course.at(mark.start), course.at(mark.step)
        after = course.of(mark.step + 1, span.last)
        if len(after) and after.max() > end * 1.001 + 1e-12:
            what = f"the schedule ends at {span.at(mark.step)}, after which the rate rises again."
            mend = "Hold the last rate: step = ops.minimum(step, decay_steps)."
            return [span.finding("rising", what, mend, mark.step + 1)]
        if end > start * 1.001 and course.of(mark.start, mark.step).max() <= end:
            what = (
                f"the decay rises, from {start:.4g} at {span.at(mark.start)} to {end:.4g} at "
                f"{span.at(mark.step)}."
            )
            mend = "Give an end rate below the first (Keras' end_learning_rate is 0.0001)."
            return [span.finding("rising", what, mend, mark.step)]
    return []


def _mid_cycle(span: Span, course: Course) -> list[Finding]:
    """A run that ends between a cycle's lowest rates, by more than a hundredth of their range."""
    slack = max(1, span.length // 1000)
    run, last = course.of(span.first, span.last), course.at(span.last)
    part = (run.max() - run.min()) / 100.0
    ahead = course.of(span.last, int(course.steps[-1]))
    before = course.of(0, span.last)[::-1]
    if part == 0.0 or (low := _valley(before, part)) is None:
        return []
    begin = int(np.searchsorted(course.steps, span.last))
    if last - before[low] > part and span.last - course.steps[begin - low] <= slack:
        return []  # a cycle has just ended
    start = _valley(-ahead, part) if last - before[low] > part else 0
    bottom = None if start is None else _valley(ahead[start:], part)
    if start is None or bottom is None:
        return []
    step = course.lowest_near(begin + start + bottom)
    if step - span.last <= slack + 1 or last - course.at(step) <= part:
        return []
    what = (
        f"the run ends in mid-cycle: its last rate is {last:.4g}, and the cycle's lowest, "
        f"{course.at(step):.4g}, comes at {span.at(step)}."
    )
    mend = "Let the run end with a cycle: choose its epochs, or the length of the cycles."
    return [span.finding("mid-cycle", what, mend, span.last)]


def _valley(rates: NDArray[np.float64], part: float) -> int | None:
    """The index of the lowest rate before the first rise by more than `part`, None without one."""
    risen = np.flatnonzero(rates > np.minimum.accumulate(rates) + part)
    return int(np.argmin(rates[: risen[0]])) if len(risen) else None


def _vanishes(span: Span, course: Course) -> Finding | None:
    """A decay without an end of its own that is all but over long before the run."""
    run = course.of(span.first, span.last)
    if run[-1] <= 0.0:
        return None
    small = 1e-6 * float(run.max())
    step = course.first_where(lambda rates: rates < small, span.first)
    if step is None or span.last - step + 1 <= span.length // 10:
        return None
    rest = 100.0 * (span.last + 1 - step) / span.length
    what = (
        f"the rate is below a millionth of its highest from {span.at(step)} on, for {rest:.0f} % "
        "of the run."
    )
    return span.finding("end", what, _IN_STEPS, step)


def _ends_after(span: Span, end: int, course: Course) -> Finding:
    part = 100.0 * span.length / (end - span.first)
    what = (
        f"the rate ends at {span.at(end)}, but the run after {part:.0f} % of that: its last rate "
        f"is {course.at(span.last):.4g}"
    )
    # A schedule may name an end beyond all that can be evaluated.
    what += f", not {course.rates[-1]:.4g}." if end <= course.steps[-1] else "."
    mend = f"Give the schedule the run's length: {span.last + 1} steps."
    return span.finding("end", what, mend, span.last)


def _ends_before(span: Span, end: int, course: Course) -> list[Finding]:
    settles, last = course.settles(), float(course.rates[-1])
    if not last < course.at(settles - 1) or span.last - end <= max(1, span.length // 1000):
        return []
    # The last of some stairs is as long as the others, and of use unless it is 0.
    if last > 0.0 and span.last - end < np.diff(course.last_stairs(settles)).max(initial=0):
        return []
    rest = 100.0 * (span.last + 1 - max(end, span.first)) / span.length
    stays = f"the rate stays at {last:.4g} from {span.at(end)} on, for {rest:.0f} % of the run."
    mend = f"Give the schedule {span.last + 1} steps."
    if end <= span.first and span.first:
        mend = f"{mend[:-1]}, or compile with a new optimizer to begin again."
    elif span.every > 1 and abs((end - span.first) * span.every / span.length - 1.0) < 0.02:
        what = f"{stays} The schedule's length looks like updates, but Keras counts batches."
        mend = f"Multiply its steps by gradient_accumulation_steps, {span.every}."
        return [span.finding("accumulation", what, mend, end)]
    return [span.finding("end", stays, mend, end)]
