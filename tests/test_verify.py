"""`make verify`: stored runs come out again, and a run that would not is found."""

import json
from dataclasses import replace

import pytest

from lrguide.guide import processes, records, verify
from lrguide.guide.experiments import train
from lrguide.guide.processes import _type_in, processor
from lrguide.guide.records import RECORDS, Run, key_of, measured
from lrguide.guide.settings import complete

LITTLE = dict(budget="TINY", training=200, batch=40, epochs=1, validation=40, test=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    settings = [LITTLE | dict(optimizer="Adam", rate=0.001, seed=seed) for seed in (0, 1)]
    settings += [LITTLE | dict(optimizer="SGD", rate=0.1, seed=0, schedule="cosine")]
    return measured(train, settings, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Store runs as records that `verify` then reads."""
    monkeypatch.setattr(records, "RECORDS", tmp_path)

    def store(runs):
        records.write(tmp_path / "train_TINY.json", train, runs)

    return store


def altered(run, **result):
    return replace(run, result=dict(run.result) | result)


def elsewhere(run):
    return replace(run, made=dict(run.made) | {"processor": "another"})


def test_runs_that_come_out_again_agree(stored, made, monkeypatch, capsys):
    stored(made)
    monkeypatch.setenv("RUNS", "2")
    assert verify.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "first losses of 2 contenders, then whole runs: 2 (SEED=0)"
    assert said[-1] == "all agree"
    assert len(said) == 6 and all(line.endswith(": equal") for line in said[1:-1])
    assert "train TINY SGD, schedule cosine, rate 0.1, seed 0: equal" in said


def test_a_run_that_differs_is_named_and_the_exit_status_is_1(stored, made, monkeypatch, capsys):
    wrong = [made[0].result["first_losses"][0] * 1.01, *made[0].result["first_losses"][1:]]
    stored([altered(made[0], first_losses=wrong), *made[1:]])
    monkeypatch.setenv("RUNS", "0")
    assert verify.main() == 1
    said = capsys.readouterr().out
    assert "train TINY Adam, rate 0.001, seed 0: DIFFERS on the same processor type" in said
    assert said.endswith("1 runs DISAGREE\n")


def test_a_whole_run_that_ends_otherwise_is_found_though_it_begins_alike(
    stored, made, monkeypatch, capsys
):
    stored([altered(run, test_loss=run.result["test_loss"] + 1e-6) for run in made])
    monkeypatch.setenv("RUNS", "9")
    assert verify.main() == 1
    said = capsys.readouterr().out
    assert said.count(": equal") == 2 and said.endswith("3 runs DISAGREE\n")


def test_runs_on_a_backend_that_is_not_set_up_are_left_out(stored, tmp_path, monkeypatch, capsys):
    settings = complete(train, LITTLE | dict(optimizer="Adam", rate=0.1, seed=0, backend="jax"))
    assert key_of(train, settings) != key_of(train, settings | {"backend": "tensorflow"})
    result = {"first_losses": [2.3], "validation_loss": [2.0]}
    stored([Run("train", settings, result, {"processor": processor()})])
    monkeypatch.setattr(processes, "ENVIRONMENTS", tmp_path)
    monkeypatch.setenv("RUNS", "1")
    assert verify.main() == 0
    said = capsys.readouterr().out
    assert "the runs on jax are left out: make test-backend BACKEND=jax sets it up" in said
    assert "first losses of 0 contenders" in said
    with pytest.raises(FileNotFoundError, match="make test-backend BACKEND=jax sets it up"):
        processes._run(train, settings)


@pytest.mark.parametrize(
    ("factor", "agrees", "words"),
    [(1, True, "equal"), (1 + 5e-5, True, "agree to 1e-4"), (1.001, False, "by more than 1e-4")],
)
def test_on_another_processor_the_first_losses_may_differ_by_little(made, factor, agrees, words):
    again = {"first_losses": [loss * factor for loss in made[0].result["first_losses"]]}
    verdict, sentence = verify.agreement(elsewhere(made[0]), again, processor())
    assert verdict is agrees and words in sentence


def test_a_result_that_an_experiment_did_not_have_yet_is_not_compared(made):
    result = {k: v for k, v in made[0].result.items() if k != "test_loss_by_epoch"}
    before = replace(made[0], result=result)
    assert verify.agreement(before, made[0].result, processor()) == (True, "equal")
    wrong = dict(made[0].result, test_loss=0.5)
    assert verify.agreement(before, wrong, processor())[0] is False


CPUINFO = """\
processor\t: 0
cpu family\t: 25
model\t\t: {model}
model name\t: AMD EPYC

processor\t: 1
model\t\t: 99
"""


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (CPUINFO.format(model=1), "AMD EPYC (family 25, model 1)"),
        (CPUINFO.format(model=17), "AMD EPYC (family 25, model 17)"),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", "0xd0c"),
        ("", "unknown processor"),
    ],
)
def test_generations_of_one_name_are_two_types_of_processor(said, named):
    assert _type_in(said) == named


def test_the_sample_follows_the_seed(stored, made, monkeypatch, capsys):
    def sample(seed):
        seen = []
        monkeypatch.setattr(
            verify,
            "disagreeing",
            lambda chosen, replayed: seen.extend(r.settings for _, r in chosen) or 0,
        )
        verify.verify(1, seed)
        return seen[2:]

    stored(made)
    assert sample(1) == sample(1)
    assert len({str(sample(seed)) for seed in range(20)}) > 1


def test_so_many_contenders_as_are_asked_for_are_begun_again(stored, made, monkeypatch, capsys):
    stored(made)
    monkeypatch.setenv("RUNS", "0")
    monkeypatch.setenv("CONTENDERS", "1")
    assert verify.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "first losses of 1 contenders, then whole runs: 0 (SEED=0)"
    assert len(said) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("RUNS", "-1"), ("RUNS", "two"), ("SEED", "x"), ("CONTENDERS", "-1"), ("CONTENDERS", "all")],
)
def test_bad_numbers_are_one_sentence(monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    assert verify.main() == 2
    assert capsys.readouterr().err == (
        "RUNS and CONTENDERS must be whole numbers from 0, SEED a whole number\n"
    )


def test_a_damaged_record_is_one_sentence(stored, tmp_path, capsys):
    (tmp_path / "train_TINY.json").write_text("{")
    assert verify.main() == 1
    assert "damaged and is not used" in capsys.readouterr().err


def test_every_stored_run_is_one_that_would_be_used():
    """Runs of an older protocol or of other data are never read again: no record holds them."""
    for path in RECORDS.glob("*.json"):
        function = verify.EXPERIMENTS[path.stem.partition("_")[0]]
        lines = json.loads(path.read_text())["runs"]
        used = records.read(path, function)
        assert len(used) == len(lines), path.name
        assert all(
            isinstance(run, Run) and run.settings == complete(function, run.settings)
            for run in used.values()
        )
