# ---
# title: How this guide measures
# description: Budgets, seeds, tuning and verdicts - how each number was made, what pairing by seed is worth, what did not work, and the commands that make it all again.
# ---

# %% [markdown]
# # How this guide measures
#
# A loss on its own says little: train again with another seed, and it is another loss. Each thin line
# below is one seed, trained with each of seven schedules.

# %% tags=["hide-input"]
import json

import numpy as np

from lrguide import plots
from lrguide.guide.contenders import DECAYS
from lrguide.guide.contrasts import log_ratios, percent
from lrguide.guide.experiments import train
from lrguide.guide.measures import chosen, several
from lrguide.guide.records import RECORDS, Runs, measured
from lrguide.guide.report import claim, figure, table
from lrguide.guide.settings import BUDGETS, crossed
from lrguide.guide.tuning import answered
from lrguide.intervals import half_width


def seeds_drawn(runs):
    picture, axes = plots.subplots()
    names = list(runs.by("schedule"))
    ends = np.array([group.final() for group in runs.by("schedule").values()])
    for seed, losses in zip(runs.by("seed"), ends.T, strict=True):
        axes.plot(losses, color=plots.COLOURS[0], linewidth=0.8, label=f"_seed {seed}")
    means = np.exp(np.log(ends).mean(axis=1))
    axes.plot(means, "_", color=plots.COLOURS[1], markersize=18, markeredgewidth=3, label="mean")
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names], rotation=30)
    axes.set(ylabel="validation loss at the end", ylim=(0, None))
    axes.legend()
    return picture


def seeds_in_words(runs):
    return "Final validation loss of twenty seeds with Adam: " + "; ".join(
        f"{name} {several(group.final())}" for name, group in runs.by("schedule").items()
    )


# %% tags=["output-first"]
few = answered(
    [
        dict(optimizer="Adam", schedule=schedule, budget="FEW_STEPS")
        for schedule in ["constant", *DECAYS, "warmup linear"]
    ]
)
figure(few, seeds_drawn, alt=seeds_in_words)


# %% tags=["hide-input"]
def paired(runs, name):
    """Standard deviation of the logarithm of the ratio to the constant rate, seed by seed."""
    return log_ratios(chosen(runs, name), chosen(runs, "constant")).std(ddof=1)


def unpaired(runs, name):
    """What it would be if the two contenders had seeds of their own."""
    own, other = (np.log(chosen(runs, n).final()) for n in (name, "constant"))
    return np.sqrt(own.var(ddof=1) + other.var(ddof=1))


@claim(few)
def an_unlucky_seed_is_unlucky_with_most_schedules(few):
    gains = {name: unpaired(few, name) / paired(few, name) for name in (*DECAYS, "warmup linear")}
    linear, warmup = (
        [percent(spread(few, name)).removeprefix("+") for spread in (paired, unpaired)]
        for name in ("linear", "warmup linear")
    )
    sentence = f"""
        **An unlucky seed is unlucky with most schedules, so compare seed by seed.** Contenders that
        share a seed share the initial weights, the dropout and the order of the images. Seed by
        seed linear decay lies above a constant rate by an amount that varies by {linear[0]}; it would
        vary by {linear[1]} had each its own seeds. Where the early steps differ, as with a warmup,
        pairing buys little: {warmup[0]} against {warmup[1]}.
        """
    return (
        sentence,
        min(gains[name] for name in DECAYS) > 1,
        gains["linear"] > 1.2 * gains["warmup linear"],
        gains["warmup linear"] < 1.25,
        gains["warmup linear"] > 0.9,
    )


# %% [markdown]
# ## Budgets, and what they cost
#
# What one training may use has a name. `FULL` is the article's own scale and needs all of MNIST; four
# are named after [other problems](elsewhere.py) and use all of their data; the others run on the 12,000
# images that come with the package.


# %% tags=["hide-input"]
def costs(runs):
    """From all records, not only those of this page."""
    rows = []
    for name, budget in BUDGETS.items():
        path = RECORDS / f"train_{name}.json"
        if path.exists():
            made = [line["made"] for line in json.loads(path.read_text("utf-8"))["runs"]]
            seconds = [m["cpu_seconds"] for m in made if not m["processor"].startswith("NVIDIA")]
            on_gpu = f" ({len(made) - len(seconds)} on a GPU)" if len(made) > len(seconds) else ""
            rows.append(
                {
                    "budget": f"`{name}`",
                    "examples": f"{budget.training:,}",
                    "batch": f"{budget.batch}",
                    "epochs": f"{budget.epochs}",
                    "steps": f"{budget.steps:,}",
                    "runs": f"{len(made):,}{on_gpu}",
                    "CPU-seconds": f"{np.median(seconds):.0f}",
                    "CPU-hours of all": f"{sum(seconds) / 3600:.1f}",
                }
            )
    return rows


table(
    Runs(),
    costs,
    caption="Budgets; runs stored; the median run on a CPU, and all of those together",
)

# %% [markdown]
# A page may change a number of a budget: its cell then says so.

# %% tags=["output-first"]
sizes = measured(
    train,
    crossed(
        optimizer="Adam",
        rate=0.001,
        budget=("SMALL", "FULL"),
        seed=range(5),
    ),
)


# %% tags=["hide-input"]
@claim(sizes)
def more_training_does_not_make_the_seed_irrelevant(sizes):
    small, full = (sizes.where(budget=budget).final() for budget in ("SMALL", "FULL"))
    sentence = f"""
        **More training does not make the seed irrelevant.** Adam at `0.001` ends at
        {several(small)} at `SMALL` and at {several(full)} at `FULL`: lower, and five seeds still
        differ by more than a tenth of their mean. One run, as the article shows, is one draw.
        """
    return sentence, full.max() < small.min(), np.ptp(full) > 0.1 * full.mean()


# %% [markdown]
# ## The rules
#
# - **Fixed before looking.** A page's cell lists contenders, rates and seeds; nothing else defines the
#   experiment. What was changed after looking stands [below](#changed-after-looking).
# - **Equal effort.** Each contender is searched in the same way, with seeds that are used for nothing
#   else, and a rate counts as tuned only if it is not at the end of the grid. (The longest trainings can
#   afford less: [At full scale](full_scale.py) says how their rates were searched.)
# - **New seeds for the answer.** Twenty with 60 and with 300 steps. Comparisons that have five, such as
#   those of longer trainings, say so.
# - **One rule for every verdict.** Two contenders are compared by the ratio of their losses, seed by seed.
#   One is *lower* or *higher* where Student's t says so at 5 in 100, corrected for the number of comparisons
#   in the same table; *equal* where the two surely differ by less than `3 %`; and else *undecided*. The
#   `95 %` interval always stands beside the verdict. The
#   [plan](#the-plan-of-30-november-2026) has the details.
# - **Validation data choose, test data report.** No choice was made by a test loss.
# - **Failures are counted.** Whether a seed learns is a question of its own, with its own interval; losses
#   are compared where both contenders learn.
#
# ### How small a difference can be told

# %% tags=["hide-input"]
short = answered(
    [
        dict(optimizer="Adam", schedule=schedule, budget="SHORT")
        for schedule in ["constant", *DECAYS, "warmup linear"]
    ]
)


def reach(runs, schedule, seeds):
    """How far the 95 % interval of the contrast with the constant rate reaches."""
    ratios = log_ratios(runs.where(schedule=schedule), runs.where(schedule="constant"))
    return percent(half_width(ratios[:seeds]))[1:]


table(
    short,
    lambda runs: [
        {"schedule": name, **{f"{n} seeds": reach(runs, name, n) for n in (5, 10, 20)}}
        for name in (*DECAYS, "warmup linear")
    ],
    caption="300 steps: how far the interval of a contrast with the constant rate reaches to either side",
)

# %% [markdown]
# A difference that is smaller than this is undecided, and a smaller number of seeds leaves more undecided.
#
# ## Same settings, same bits
#
# A run trains on one thread, in a process of its own, with public Keras; on one type of processor the
# same settings give the same bits. Another number of threads or another processor changes the last
# digits, and after some epochs more than the last. So a record names processor, threads and versions,
# and keeps the losses of its first five batches, which a test trains again.
#
# | what you want | command |
# | --- | --- |
# | all numbers that are missing | `make measure` |
# | see what would run, and its CPU time | `make measure DRY=1` |
# | one page, two processes | `make measure PAGE=decay JOBS=2` |
# | check stored runs against new ones | `make verify RUNS=5 CONTENDERS=40 SEED=0` |
# | start from nothing | delete `docs/records/*.json`, `make measure` |
#
# You may stop a measurement at any time and start it again: a run that has ended is kept. The `FULL`
# runs need all of MNIST, which Keras downloads, or the file that `LRGUIDE_MNIST` names.
#
# ### On a cluster, on a GPU
#
# With a [Dask](https://www.dask.org/) scheduler and workers that have lrguide installed,
#
# ```sh
# make measure SCHEDULER=tcp://host:8786
# ```
#
# sends each run to a worker; one that is lost is run again, and nothing is counted twice. On a machine
# with a GPU, TensorFlow trains there, and the record names the GPU. Its operations are then kept
# deterministic and in full float32, so that one type of GPU gives the same bits again. Its runs answer the
# same question as a CPU's, not with the same bits: keep runs that are compared on one type of processor.
#
# One training keeps a GPU busy only in part, since this network is small: give it many `JOBS`, and start
# NVIDIA's process service (`nvidia-cuda-mps-control -d`) so that they share it.
#
# ## The plan of 30 November 2026
#
# Five seeds at a rate that two have chosen are too few: at 300 steps they tell losses apart that differ
# by some forty in a hundred. So every comparison with a constant rate is measured again, as follows. All of
# this was written down before the first of these runs was trained.
#
# **Contenders.** The twenty-one of [Choosing](choosing.py), at `FEW_STEPS`, `SHORT` and `MIDDLE`; at `FULL`
# Adam with a constant rate, linear, cosine, plateau, warmup and linear, 1cycle, and SGD with momentum
# with a constant rate and linear.
#
# **Search.** A first pass tries nine rates with seeds `100` and `101`, as before. Then the lowest rate and its
# neighbours, half a decade below and above, get seeds `102` to `105` as well, and so on until both neighbours
# of the lowest have six seeds; the grid goes on by half decades where it ends too early. A seed fails
# if its network names less than a fifth of the validation images rightly at the end. A rate at which fewer
# seeds fail is better; among equals the one with the lower mean logarithm of the validation loss.
# Where fewer than 95 in 100 sets of six seeds, drawn anew from those tried, would choose the same or a
# neighbouring rate, seeds `106` to `111` are added around it, once. A rate at which a searching seed failed
# does not count as tuned, and the table says so. At `FULL` the search has three seeds, `100` to `102`, and
# starts from the rate of `MIDDLE`.
#
# **Answer.** Seeds `200` to `219` at the tuned rate, twenty at `FEW_STEPS` and `SHORT`; the first ten of them
# at `MIDDLE` and `FULL`. No search and no earlier page has seen them.
#
# **Verdict.** The difference of the logarithms of the validation losses after the last epoch, paired by
# seed, over the pairs in which both learn. It is *lower* or *higher* where Student's t says so at
# 5 in 100 after Holm's correction for all contrasts in the same table; *equal within `3 %`* where two one-sided
# tests at 5 in 100 put it between `-3 %` and `+3 %`; else *undecided*. The `95 %` interval is shown with each. The
# share of seeds that learn is a question of its own, shown with the interval of Clopper and Pearson.
# The same is computed at the best epoch, which the validation loss chooses, and for the test part;
# where these three disagree, the page says so. A rule of the range test that gives no answer is scored with
# what its user would then do: Keras' default rate.
#
# **Other divisions of the data.** At `SHORT`: linear, cosine, warmup and linear, and 1cycle with Adam, and
# linear with SGD and momentum, each against the constant rate with Adam, at the rates of the search, with
# seeds `200` to `209` and two other sets of 3,000 training images. On the tables of
# [Does it carry over?](elsewhere.py), `CANCER` and `DIABETES`: twenty other divisions into the three parts, one
# seed each (`201` to `220`, the division's number and 200), for the constant rate and the recipe at the rates
# on that page.
#
# **Sensitivity.** For each schedule, the mean over the rates from `0.0003` to `0.3` of how far the loss lies
# above the schedule's lowest, no loss counted above that of guessing
# ([Wortsman et al. 2023](https://arxiv.org/abs/2309.14322)), from the first pass.
#
# **Order.** `FEW_STEPS`, `SHORT`, the other divisions, `MIDDLE`, `FULL`: search, then answer. What has not been
# measured yet is not told.
#
# ## The plan of 1 December 2026: what finding a rate costs
#
# Which way of finding a learning rate gives how much for how many trainings? All of this was written down
# before there was a finder, and before any of the judging problems was trained.
#
# **Problems.** Ways are *designed* on twelve problems whose runs are stored: the eight of
# [Range test rules](range_test_rules.py) and the four of [Does it carry over?](elsewhere.py). They are
# *judged*, once, on sixteen others: a transformer of two blocks that copies a sequence (Adam at 300 steps,
# AdamW with warmup and linear decay at 1,000) or adds modulo 19 (Adam; SGD with momentum with warmup
# and linear decay), a GRU that continues waves (Adam), an LSTM that adds marked numbers (RMSprop), a residual
# network with batch normalisation on small digits (SGD with momentum; Adam at batch 16), an autoencoder
# (Adam at 300 steps, AdamW at 4,800), dense networks on a made table of classes at batch 512 (Lion; SGD with
# momentum) and on Friedman's regression (RMSprop at 300 steps, SGD with momentum at 4,800), and one
# that knows the digits from 0 to 4 and learns those from 5 to 9 (Adam; SGD with momentum). Half of
# them have 300 steps, six 1,000, two 4,800; half a constant rate, half warmup and linear decay.
# `lrguide/guide/problems.py` has each setting.
#
# **Truth.** Thirteen rates by half decades from `0.00001` to `10`, with seeds `0` to `4`; then the two rates
# halfway to the neighbours of the lowest. A loss that is not finite or above that of guessing counts as
# guessing. Where the lowest is at an end of the grid, the grid goes on.
#
# **Regret.** *Relative*: the loss at the rate that was found, divided by the lowest of the truth, minus 1.
# *Normalised*: what the rate gives away of what training can gain, (loss - lowest) / (guessing - lowest). For
# runs of 300 steps and fewer the normalised one leads, for 1,000 and more the relative one, and both are
# shown. Between two measured rates the loss is read off the line over the logarithm of the rate.
#
# **Ways.** Each with its price in trainings, by optimizer steps (CPU time stands beside it): Keras' default
# rate; each rule of the range test, and three times it, where no answer is scored as the default; `confirm`;
# random search; Optuna's TPE and KerasTuner's Hyperband; successive halving; the finder at `0.25`, `0.5`, 1, 2 and 4
# trainings; and, as no search at all, parameter-free optimizers at their defaults. Every way searches with
# the seeds `10` to `14`, five times where it takes one, and sees the validation loss as the truth does.
#
# **Uncertainty.** Median and 90th percentile over problems and searches, with intervals by bootstrap over
# problems, and over the seeds within each. One way is better than another where the interval of their paired
# difference leaves out 0.
#
# **Goals of the finder**, median / 90th percentile over the judging problems:
#
# | price | 300 steps, normalised | 300, relative | longer, relative | longer, normalised |
# | --- | --- | --- | --- | --- |
# | `0.5` | `0.02 / 0.15` | `0.15 / 1.5` | `0.25 / 1.0` | `0.003 / 0.02` |
# | 1 | `0.010 / 0.08` | `0.10 / 0.8` | `0.15 / 0.6` | `0.002 / 0.012` |
# | 2 | `0.005 / 0.05` | `0.07 / 0.5` | `0.10 / 0.4` | `0.001 / 0.010` |
# | 4 | `0.002 / 0.025` | `0.03 / 0.3` | `0.07 / 0.3` | `0.001 / 0.008` |
#
# **Order.** The problems, the finder, then the judging, each in commits of its own.
#
# **Frozen on 1 December 2026**, before any judging problem was trained: the finder (`lrguide/finder.py` and
# `lrguide/pilots.py`), with its constants. Fixed with it, each a function in `lrguide/guide/ways.py`:
#
# - *Rules of the range test*: `lr_range_test` of 100 steps with its defaults and one seed.
# - *`confirm`*: after that sweep, at its defaults, validated.
# - *Random search* and *TPE* draw from `0.00001` to 10 over the logarithm. A trial is a training of a quarter of the
#   run, the schedule compressed to it, so that prices 1, 2 and 4 are the first 4, 8 and 16 trials of one search. TPE is
#   Optuna's sampler at its defaults, of which the first ten trials are random.
# - *Random search of whole trainings*, and *a grid of thirteen* of them, are read off the runs of the truth: one
#   seed chooses, the other four judge.
# - *Successive halving*: nine rates spread over the same decades, then the best three for three times as long:
#   an eighteenth and a sixth of the run (price 1), a ninth and a third (2), two ninths and two thirds (4).
# - *Hyperband*: KerasTuner's, with three epochs of a third of the run, once; its price is what it takes.
# - *The finder*: with validation data, five seeds, and all else at its defaults.
#
# All trials of one search share its seed. Each way is scored with the rate it names, or with the default
# where it names none. Where time runs short, three searches (seeds `10` to `12`) stand for five, and the
# page says so.
#
# ## The plan of 1 December 2026, judged anew
#
# The frozen finder, judged at one training's price, named rates that are too high: its pilots are a fifth of the run,
# and what is best there is too high for the whole. It is scored as it was, and then mended: the rate that the pilots
# name is lowered by a power of the pilots' share of the run, to be fitted on the design problems and on these
# sixteen. Whether that helps is not for the problems that showed it to say. So eight other problems
# (`ANEW` in `lrguide/guide/problems.py`) were written down before that power was fitted: four of 300 steps, three of
# 1,000 and one of 4,800, half with a constant rate, other pairs of task and optimizer. The truth there has three
# seeds; the old finder and the mended one search with the seeds `10` to `12` at `0.5`, 1 and 2 trainings, once.
# All else stays.
#
# ## The plan of 1 December 2026: the same rates on three backends
#
# Do the five rates of [Fixed learning rates](fixed_rates.py) fare on JAX and on PyTorch as on TensorFlow? This
# was written down before any of these runs was trained, except that it first said `SMALL`: one run on JAX showed
# that this would take too long here, and that run is not used.
#
# **Runs.** Adam at `0.5`, `0.01`, `0.001`, `0.00001` and `0.0000001`, seeds `0` to `4`, the article's network,
# `SHORT`. The runs on TensorFlow at the three larger rates are stored already. On JAX and PyTorch: the same
# images, the same compiled model, one thread; Keras' own `fit` on arrays, which draws the order of the images.
# A seed gives other weights, another dropout and another order on each backend, so that nothing is shared by
# the runs of a seed, and pairing them is arbitrary.
#
# **Two backends agree within the seeds** at a rate where as many of five seeds learn on both and, if all learn, the
# one rule for contrasts calls the final validation loss neither lower nor higher. The contrasts with
# TensorFlow of both backends, at all rates at which all seeds learn, are one table, corrected for their number.
# Its intervals say how large a difference five seeds could have missed. The same is said of the test loss.
#
# ## The plan of 1 December 2026: rate and weight decay, a rate per layer
#
# Must rate and weight decay be found together? Do lower layers need a lower rate in fine-tuning? All of this was
# written down before any of these runs was trained.
#
# **Weight decay.** AdamW with warmup and linear decay on three problems: the transformer that adds (1,000 steps, rates
# around `0.003`), the autoencoder with batches of 16 (4,800, around `0.01`) and Friedman's regression (4,800, around
# `0.03`). Five rates by half decades, times the decays 0, `0.004` (Keras' default), `0.04` and `0.4`, seeds `0` to
# `2`. Three ways: the best rate at the default decay (5 trainings); then the best decay at that rate (8); the best of
# all pairs (20). One seed chooses, the other two judge.
#
# **A rate per layer.** The network that knows the digits from 0 to 4 and learns those from 5 to 9: Adam at a
# constant rate, SGD with momentum and warmup and linear decay, and Adam with 60 images in place of 600; each for
# 300 steps. Six rates by half decades for the new layer, from `0.0003` to `0.1` with Adam and `0.003` to 1 with SGD; the learned layers take that rate,
# `0.3` or `0.1` of it, or stay as they are; seeds `0` to `4`. Three ways: the best common rate (6 trainings),
# the best rate with the learned layers frozen (6), the best of all pairs (24). One seed chooses, the other four judge.
#
# **Cost.** The loss at what was chosen, divided by the lowest of the grid over the same seeds; no loss counts as
# more than that of guessing. Ways are compared on each problem by the one rule for contrasts where it can
# decide; with three seeds it seldom can, and the sentences say how large the differences are.
#
# ## The plan of 1 December 2026: what curves look like
#
# Which curve belongs to which mistake, and which one look tells it from its double? All of this was written down
# before any of these runs was trained, apart from three that tried whether the experiment works and how long
# it takes (8 CPU-seconds a run); none of them was kept.
#
# **Runs.** The experiment `trace` notes the loss, the gradient and the update of each step, and after every
# tenth the validation loss, the accuracy and the share of dead units, at `SHORT` (300 steps, 500 validation
# images). With Adam and with SGD and momentum: a constant rate at nine rates from `0.00001` to 1, by half decades around
# the best; linear, warmup and linear, 1cycle, and a cosine that is over in the middle of the run, at five rates each.
# With Adam: linear, begun anew in the middle of the run with a new optimizer, as after a resume that restores
# only the weights; and 500 images seen thirty times, with and without dropout, at four constant rates.
# `lrguide/guide/atlas.py` has each setting.
#
# **Seeds.** `0` and `1`. Three more, the four rates left out of the half decades and 1,000 steps follow when there is
# time for them.
#
# **Symptoms.** Too small; good; at the edge; dead; spikes and recovers; overfits; decayed too early; a
# schedule begun anew. Each names one run by its settings, chosen by eye from these, and says what tells it
# from the one it is taken for. Where no run shows a symptom, the page says what they show instead.
#
# **Order.** As listed in that module: what the symptoms need comes first, SGD's schedules last.
#
# ## Changed after looking
#
# | when | what |
# | --- | --- |
# | 24 Nov 2026 | The benchmark of schedules compared trainings seconds apart, each on weights of its own; spells in which the machine is slow last longer than that, so it now compares the faster of two, by turns, on shared weights and one thread. |
# | 24 Nov 2026 | [Optimizers](optimizers.py): Adadelta's best rate was the last of the grid, so `30` and `100` were added for it alone; that page says so. |
# | 24 Nov 2026 | [Range test rules](range_test_rules.py): twelve problems were planned to judge them on; the problems were first cut to two, for want of time, and are eight since 25 November, with five seeds instead of three since 26 November. That three times the answer of `minimum/10` does better was seen in these runs. |
# | 25 Nov 2026 | [Decay](decay.py), [Cyclical rates](cyclical.py), [Choosing](choosing.py): five seeds of the recipe at a constant `0.003` with Adam ended below those at the tuned `0.01`, which two seeds had chosen. The table of equal effort stands; each of these pages now has this rate beside it. |
# | 25 Nov 2026 | The runs of this day (the rules of the range test, the constant `0.003`, and 20 epochs or two of [cyclical rates](cyclical.py)) were made on another generation of processor than those before, under the same name. So pairs across that day share weights, dropout and order, and not the last bits. Records name family and model since. |
# | 26 Nov 2026 | [Does it carry over?](elsewhere.py): when its grid of constant rates had been trained, other schedules with rates of their own, and ten times the tuned rate on three of the four problems, were cut for want of time. |
# | 26 Nov 2026 | [At full scale](full_scale.py): the grid got `0.0001`, since the constant rate's best, `0.0003`, was its first. Some of its runs at `MIDDLE` were made on a CPU and some on a GPU, and at `FULL` those of `ReduceLROnPlateau` and of the cycles between a range test's bounds on a CPU and most others on a GPU. Such a pair shares weights, dropout and order, and after many steps little else. That two schedules do better at `0.001` than where the search had stopped was seen after ten contenders; then all but `ScheduleFreeAdamW` got four rates in a row with the searching seed, which showed a third, and these three five other seeds at the rates in question, some on a CPU and some on a GPU. |
# | 1 Dec 2026 | [Decay](decay.py), [Cyclical rates](cyclical.py), [Optimizers](optimizers.py), [Choosing](choosing.py): 60 and 300 steps have the plan's search and its twenty new seeds. At 300 steps six seeds chose `0.003` for the constant rate, where two had chosen `0.01`; the second table beside it is gone. `MIDDLE` and `FULL` are not measured anew yet, and rest on five seeds, judged by the same rule. |
# | 1 Dec 2026 | [At full scale](full_scale.py): the search with one seed and the four rates in a row count as one search, so time decay, warmup with linear decay and 1cycle stand at `0.001` and there is no second table. The plan's seven contenders and twelve others have verdicts of their own; step decay and the average, called lower before, are undecided. |
# | 1 Dec 2026 | [Range test rules](range_test_rules.py): a rule without an answer is scored with Keras' own rate. By that table the steepest point costs less than `minimum/10`. |
# | 1 Dec 2026 | [Does it carry over?](elsewhere.py) and [Corrections](corrections.py): judged by the plan's rule, at the best epoch too. What had been a tie is undecided. Against twenty seeds three decays end higher at 300 steps, and step decay is undecided at 4,800. |
# | 1 Dec 2026 | [Does your curve look like this?](curves.py), [Why a rate is too high](why.py): of the planned traces only part is measured, for want of CPU time. With Adam nine constant rates, eight of them and each symptom with five seeds, all else with two; with SGD and momentum five constant rates and no schedule; linear at two rates, warmup and linear at one, no 1cycle; 500 images without dropout alone; nothing of 1,000 steps. Five seeds took back what two had seemed to show: at `0.1` with Adam one network in five is not dead, and at `0.1` with SGD two in five never spike. |
# | 1 Dec 2026 | [What finding a rate costs](finding_a_rate.py): for want of CPU time three searches of the finder stand for five, at `0.5`, 1 and 2 trainings, and TPE, Hyperband and successive halving (at one training's price) searched once on each problem; `confirm`, short random trainings, and the finder at `0.25` and 4 trainings are not measured yet. Relative regrets of two ways are compared by the logarithm of the loss, since otherwise the one problem whose lowest loss is nearly 0 would decide alone. |
# | 1 Dec 2026 | The table of what each design of the finder gives read its worth at the nearest rate of the grid; half of the finder's rates lie just between two of them, so that the last digit decided. It is read between the two now. |
#
# All other grids, seeds and budgets stand as they were planned.
#
# ## Tried, and not kept
#
# | when | what | why not |
# | --- | --- | --- |
# | 24 Nov 2026 | Runs in the threads of a cluster's worker | The threads share Python's random state, so runs were not those of their seeds; each has its own process now. |
# | 24 Nov 2026 | Keras' `ScheduleFreeAdamW` as it comes | It evaluates the weights it trains at, not the average it promises; the guide puts the average in first, and says so. |
# | 24 Nov 2026 | `keras.ops.copy` to log the rate of each batch | TensorFlow's own copy of a variable takes a quarter of its time. |
#
# ## Report a number
#
# A number looks wrong, or you get another one? Run `make verify` first, then open an issue (where the
# guide is hosted, a link beside each record at the foot of a page begins it) with the page, the sentence,
# and the run's line from [the records](records/README.md): settings, result and what made it stand in
# one line, under one digest.
#
# ## Try it
#
# Three seeds at the same rate. How many would you want before you believe a difference of `0.05`?

# %% tags=["snippet"]
import keras

from lrguide.data import mnist_subset
from lrguide.model import article_cnn

data = mnist_subset().first(training=1000, validation=500, test=500)
for seed in (0, 1, 2):  # <- more seeds
    keras.utils.set_random_seed(seed)
    model = article_cnn()
    model.compile(keras.optimizers.Adam(0.003), "categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=50, epochs=2, verbose=0)
    loss = model.evaluate(data.x_validation, data.y_validation, verbose=0)
    print(f"seed {seed}: {loss:.3f}")

# %% [markdown]
# ## What to remember
#
# - Compare seed by seed, and show the spread; without it a difference is a rumour.
# - Give each contender the same number of trials before you compare it.
# - Keep what made a number beside it, and a command that makes it again.
