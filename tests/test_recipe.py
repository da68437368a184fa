"""Reading recipes: their values, their mistakes with the place of each, and overrides."""

from __future__ import annotations

import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import pytest

from netdsl import syntax
from netdsl.codes import CODES
from netdsl.diagnostics import Diagnostic
from netdsl.parameters import Documented
from netdsl.parse import parse
from netdsl.preprocess import PREPROCESSING, CenterCrop, Fit, Normalize, Resize, output_size
from netdsl.recipe import (
    Recipe,
    UnknownRecipe,
    choose_recipe,
    read_override,
    read_recipe,
)
from netdsl.recipe_kinds import Duration
from netdsl.scope import UNKNOWN, Scope
from netdsl.settings import (
    AUGMENTATIONS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    Adam,
    AdamW,
    ColorJitter,
    Constant,
    Cosine,
    CrossEntropy,
    Exponential,
    Mirror,
    PcaColor,
    RandomCrop,
    Settings,
    Sgd,
    Step,
)
from netdsl.source import Source
from netdsl.tensor import Window

IMAGENET = """
recipe imagenet for mobilenet_v2 {
  loss     cross_entropy(label_smoothing = 0.1)
  optimizer sgd(momentum = 0.9, nesterov = true, weight_decay = 4e-5)
  schedule cosine(peak = 0.4, warmup = 5 epochs)
  epochs   90
  batch    256
  augment  random_crop(224, scale = (0.08, 1.0)) -> mirror -> color_jitter(0.4) -> pca_color(0.1)
}
"""

ALPACA = """
recipe alpaca for mobilenet_v2(classes = 2) {
  weights  "mobilenet_v2.safetensors" except top
  freeze   all except top
  optimizer adam(1e-3)
  epochs   5
  then {
    unfreeze from block14
    optimizer adam(1e-4)
    epochs 5
  }
}
"""


def tree_of(text: str) -> syntax.Recipe:
    tree, diagnostics = parse(Source("test.net", text))
    assert tree is not None and not diagnostics, diagnostics
    (recipe,) = tree.declarations
    assert isinstance(recipe, syntax.Recipe)
    return recipe


def read(
    settings: str, scope: Scope | None = None, **overrides: str
) -> tuple[Recipe | None, tuple[Diagnostic, ...]]:
    """Read a recipe of these settings, one a line."""
    read_overrides = []
    for name, text in overrides.items():
        override, diagnostics = read_override(name, text)
        assert override is not None, diagnostics
        read_overrides.append(override)
    recipe = tree_of(f"recipe r for n {{\n{settings}\n}}\n")
    return read_recipe(recipe, scope or Scope(), tuple(read_overrides))


def settings_of(settings: str, **overrides: str) -> Settings:
    recipe, diagnostics = read(settings, **overrides)
    assert recipe is not None and not diagnostics, diagnostics
    return recipe.settings


# ---------------------------------------------------------------- good recipes


def test_the_imagenet_recipe() -> None:
    recipe, diagnostics = read_recipe(tree_of(IMAGENET), Scope())
    assert recipe is not None and not diagnostics
    assert (recipe.name, recipe.network) == ("imagenet", "mobilenet_v2")
    assert recipe.settings == Settings(
        loss=CrossEntropy(0.1),
        optimizer=Sgd(momentum=0.9, nesterov=True, weight_decay=4e-5),
        schedule=Cosine(peak=0.4, warmup=Duration(5, "epochs")),
        epochs=90,
        batch=256,
        augment=(RandomCrop(Window(224, 224)), Mirror(), ColorJitter(0.4), PcaColor(0.1)),
    )
    assert recipe.settings.peak == 0.4
    assert recipe.given == ("loss", "optimizer", "schedule", "epochs", "batch", "augment")


def test_the_transfer_recipe_reads_and_says_what_training_cannot_follow() -> None:
    tree = tree_of(ALPACA)
    recipe, diagnostics = read_recipe(tree, Scope())
    assert recipe is not None and not diagnostics
    assert recipe.settings.optimizer == Adam(1e-3)
    assert recipe.arguments["classes"].value == 2
    assert [each.code for each in recipe.unsupported] == ["setting-unsupported"] * 3
    starts = [each.span.text.split()[0] for each in recipe.unsupported]
    assert starts[:2] == ["weights", "freeze"]
    assert "unfreeze" in recipe.unsupported[2].span.text


def test_defaults_are_a_recipe() -> None:
    recipe, diagnostics = read_recipe(None, Scope())
    assert recipe is not None and not diagnostics
    assert recipe.settings == Settings()
    assert recipe.settings.peak == 1e-3
    assert recipe.given == ()


def test_a_peak_replaces_the_default_rate() -> None:
    settings = settings_of("schedule cosine(0.02)")
    assert settings.optimizer == Adam()
    assert settings.peak == 0.02


def test_expressions_and_names_of_the_file() -> None:
    scope = Scope()
    span = Source("x", "n").span(0, 1)
    scope.bind("images", 1200, span)
    recipe, diagnostics = read("batch images // 10\nvalidation 1 / 4\nepochs 2 + 1", scope)
    assert recipe is not None, diagnostics
    assert recipe.settings.batch == 120
    assert recipe.settings.validation == 0.25
    assert recipe.settings.epochs == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant(0.1, 2 epochs)", Constant(peak=0.1, warmup=Duration(2, "epochs"))),
        ("constant(0.1, warmup = 300 steps)", Constant(peak=0.1, warmup=Duration(300, "steps"))),
        ("constant(0.1, warmup = 0.5 epochs)", Constant(peak=0.1, warmup=Duration(0.5, "epochs"))),
        ("step(0.1, every = 30 epochs)", Step(peak=0.1, every=Duration(30, "epochs"))),
        (
            "step(0.1, at = [30, 60])",
            Step(peak=0.1, at=(Duration(30, "epochs"), Duration(60, "epochs"))),
        ),
        (
            "step(0.1, at = [32K, 48K] steps)",
            Step(peak=0.1, at=(Duration(32_000, "steps"), Duration(48_000, "steps"))),
        ),
        (
            "exponential(0.045, factor = 0.98, every = 1 epochs)",
            Exponential(peak=0.045, factor=0.98, every=Duration(1, "epochs")),
        ),
    ],
)
def test_schedules(text: str, expected: object) -> None:
    settings = settings_of(f"optimizer adamw\nschedule {text}")
    assert settings.schedule == expected
    assert settings.optimizer == AdamW()


def test_no_augmentation() -> None:
    assert settings_of("augment none").augment == ()
    assert settings_of("augment mirror", augment="none").augment == ()


@pytest.mark.parametrize(
    ("text", "expected", "size"),
    [
        ("fit", (Fit(),), None),
        ("fit(7 / 8, bicubic)", (Fit(0.875, "bicubic"),), None),
        ("resize(9x12)", (Resize(Window(9, 12)),), Window(9, 12)),
        (
            "resize(256) -> center_crop(224) -> normalize((0.1, 0.2, 0.3), 0.5)",
            (Resize(256), CenterCrop(Window(224, 224)), Normalize((0.1, 0.2, 0.3), 0.5)),
            Window(224, 224),
        ),
        (
            "center_crop(300x200) -> resize(150, nearest) -> fit",
            (CenterCrop(Window(300, 200)), Resize(150, "nearest"), Fit()),
            None,
        ),
    ],
)
def test_preprocessing(text: str, expected: object, size: Window | None) -> None:
    settings = settings_of(f"preprocess {text}")
    assert settings.preprocess == expected
    assert output_size(settings.preprocess) == size
    assert settings_of(f"preprocess {settings.texts()['preprocess']}") == settings


def test_normalisation() -> None:
    assert settings_of("").normalize is None
    declared = settings_of("preprocess fit -> normalize(127 / 255, 128 / 255)").normalize
    assert declared is not None
    assert (declared.mean, declared.deviation) == ((127 / 255,), (128 / 255,))


@pytest.mark.parametrize(
    ("text", "expected"), [("imagenet", "imagenet"), ('["cat", "dog"]', ("cat", "dog"))]
)
def test_class_names(text: str, expected: object) -> None:
    settings = settings_of(f"classes {text}")
    assert settings.classes == expected
    assert settings_of(f"classes {settings.texts()['classes']}") == settings


def test_words_give_way_to_names_of_the_file() -> None:
    scope = Scope()
    scope.names["bicubic"] = "nearest"
    recipe, _ = read("preprocess resize(8x8, bicubic)", scope)
    assert recipe is not None
    assert recipe.settings.preprocess == (Resize(Window(8, 8), "nearest"),)


def test_durations_in_steps() -> None:
    assert Duration(2.5, "epochs").steps(10) == 25
    assert Duration(7, "steps").steps(10) == 7


# ---------------------------------------------------------------- mistakes

MISTAKES = [
    # settings, code, text at the span, part of the message or help
    ("epocs 5", "unknown-setting", "epocs", "did you mean `epochs`?"),
    ("epochs 0", "setting-value", "0", "must be a whole number of at least 1, not 0"),
    ("epochs 2.5", "setting-value", "2.5", "not 2.5"),
    ("epochs 5 steps", None, "5 steps", "steps"),
    ("batch true", "setting-value", "true", "not true"),
    ("batch 3x3", "setting-value", "3x3", "not 3x3"),
    ("seed -1", "setting-value", "-1", "at least 0"),
    ("validation 1", "setting-value", "1", "up to, not including, 1"),
    ("validation 20", "setting-value", "20", "from 0 up to"),
    ("data digits", "unknown-name", "digits", "there is no `digits`"),
    ("data 5", "setting-value", "5", "a text in quotes"),
    ("epochs 5\nepochs 6", "setting-twice", "epochs", "twice"),
    ("epochs 5 -> 6", "setting-value", "epochs 5 -> 6", "one value, not 2"),
    ("epochs 5 except top", "setting-value", "epochs 5 except top", "has no `except`"),
    ("optimizer adm(1e-3)", "unknown-optimizer", "adm", "did you mean `adam`?"),
    ("optimizer 0.1", "setting-value", "0.1", "one of `sgd`"),
    ("optimizer adam -> sgd", "setting-value", "optimizer adam -> sgd", "one value"),
    ("optimizer adam(0)", "argument-value", "0", "`rate` of `adam` must be a number above 0"),
    ("optimizer adam(-1e-3)", "argument-value", "-1e-3", "above 0"),
    ("optimizer adam(1e-3, bet1 = 0.5)", "unknown-argument", "bet1 = 0.5", "beta1"),
    ("optimizer adam(1e-3, rate = 1)", "argument-twice", "rate = 1", "twice"),
    ("optimizer adam(1e-3, beta1 = 1)", "argument-value", "beta1 = 1", "up to, not including, 1"),
    ("optimizer sgd(0.1, nesterov = true)", "setting-value", "sgd(0.1, nesterov = true)",
     "needs a `momentum`"),
    ("optimizer sgd", "rate-missing", "optimizer sgd", "no learning rate"),
    ("optimizer sgd(0.1)\nschedule cosine(peak = 0.2)", "rate-twice", "optimizer sgd(0.1)",
     "rate = 0.1 here, and peak = 0.2"),
    ("schedule cosin(0.1)", "unknown-schedule", "cosin", "did you mean `cosine`?"),
    ("schedule step(0.1)", "setting-value", "step(0.1)", "`every` or `at`"),
    ("schedule step(0.1, every = 2 epochs, at = [1])", "setting-value",
     "step(0.1, every = 2 epochs, at = [1])", "one of the two"),
    ("schedule step(0.1, every = 0 epochs)", "argument-value", "every = 0 epochs", "above zero"),
    ("schedule step(0.1, at = [60, 30])", "argument-value", "at = [60, 30]", "rising"),
    ("schedule step(0.1, at = 30)", "argument-value", "at = 30", "a rising list"),
    ("schedule step(0.1, at = [1, true])", "argument-value", "at = [1, true]", "not true"),
    ("schedule step(0.1, at = [1, true] steps)", "setting-value", "[1, true]", "follows a number"),
    ("schedule cosine(0.1, warmup = -1 epochs)", "argument-value",
     "warmup = -1 epochs", "epochs or steps"),
    ("schedule cosine(0.1, warmup = true epochs)", "setting-value", "true", "follows a number"),
    ("loss mse", "unknown-loss", "mse", "there is no loss `mse`"),
    ("loss cross_entropy(label_smoothing = 1)", "argument-value",
     "label_smoothing = 1", "not including"),
    ("augment mirror -> shear(2)", "unknown-augmentation", "shear", "no augmentation `shear`"),
    ("augment mirror(probability = 2)", "argument-value", "probability = 2", "from 0 to 1"),
    ("augment random_crop", "missing-argument", "random_crop", "size"),
    ("augment random_crop(8, scale = (1.0, 0.5))", "argument-value",
     "scale = (1.0, 0.5)", "smaller first"),
    ("augment random_crop(8, scale = (0.5, 2.0))", "argument-value",
     "scale = (0.5, 2.0)", "at most 1"),
    ("augment random_shift(0)", "argument-value", "0", "at least 1"),
    ("augment none -> mirror", "unknown-augmentation", "none", "no augmentation `none`"),
    ("epochs 5 / 0", "division-by-zero", "5 / 0", "by zero"),
    ("preprocess rescale(256)", "unknown-preprocessing", "rescale", "no preprocessing `rescale`"),
    ("preprocess none", "setting-value", "preprocess none", "different sizes"),
    ("preprocess resize(256)", "setting-value", "preprocess resize(256)", "different sizes"),
    ("preprocess normalize(0.5, 0.5)", "setting-value", "preprocess normalize(0.5, 0.5)",
     "end with `fit` or a `center_crop`"),
    ("preprocess normalize(0.5, 0.5) -> fit", "setting-value",
     "preprocess normalize(0.5, 0.5) -> fit", "`normalize` is the last step"),
    ("preprocess resize(200) -> center_crop(224)", "setting-value",
     "preprocess resize(200) -> center_crop(224)",
     "`resize(size = 200)` may leave less than `center_crop(size = 224x224)` takes"),
    ("preprocess resize(9x5) -> center_crop(4x6)", "setting-value",
     "preprocess resize(9x5) -> center_crop(4x6)", "may leave less"),
    ("preprocess resize(0x3)", "argument-value", "0x3", "at least 1"),
    ("preprocess resize(2.5)", "argument-value", "2.5", "a whole number of at least 1, or a size"),
    ("preprocess resize(8x8, cubic)", "unknown-name", "cubic", "did you mean `bicubic`?"),
    ("preprocess fit(0)", "argument-value", "0", "above 0, up to 1"),
    ("preprocess fit -> normalize(127, 128)", "argument-value", "127", "from 0 to 1"),
    ("preprocess fit -> normalize(0.5, 0)", "argument-value", "0", "above 0, at most 1"),
    ("preprocess fit -> normalize([], 1)", "argument-value", "[]", "one for each channel"),
    ("classes cifar", "unknown-name", "cifar", "there is no `cifar`"),
    ("classes 1000", "setting-value", "1000", "`imagenet`, or a list of names"),
    ('classes ["a", "b", "a"]', "setting-value", '["a", "b", "a"]', "no two alike"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "code", "place", "says"), MISTAKES)
def test_mistakes(settings: str, code: str | None, place: str, says: str) -> None:
    recipe, diagnostics = read(settings)
    assert recipe is None
    assert len(diagnostics) == 1, diagnostics
    (found,) = diagnostics
    assert found.severity == "error"
    assert code is None or found.code == code
    assert found.span.text == place
    assert says in f"{found.message} {found.help}"


def test_every_code_is_listed_and_triggered() -> None:
    from_recipes = {code for code in CODES if code.split("-")[0] in ("setting", "rate", "warmup")}
    from_recipes |= {f"unknown-{kind}" for kind in
                     ("setting", "optimizer", "schedule", "loss", "augmentation")}  # fmt: skip
    elsewhere = {"setting-unsupported", "warmup-too-long"}
    assert from_recipes - elsewhere <= {code for _, code, _, _ in MISTAKES}
    assert {code for _, code, _, _ in MISTAKES if code} <= set(CODES)
    assert elsewhere <= set(CODES)


def test_several_mistakes_are_all_told() -> None:
    _, diagnostics = read("epochs 0\nbatch 0\noptimizer nope")
    assert [each.code for each in diagnostics] == [
        "setting-value", "setting-value", "unknown-optimizer",
    ]  # fmt: skip


def test_what_depends_on_a_mistake_is_silent() -> None:
    scope = Scope()
    scope.bind("broken", UNKNOWN, Source("x", "n").span(0, 1))
    recipe, diagnostics = read("epochs broken", scope)
    assert recipe is None and diagnostics == ()


def test_mistakes_in_a_phase_are_told() -> None:
    recipe, diagnostics = read("epochs 5\nthen {\n epochs 0\n}")
    assert recipe is None
    assert [each.span.text for each in diagnostics] == ["0"]


def test_a_long_warmup_is_a_warning() -> None:
    recipe, diagnostics = read("schedule cosine(0.1, warmup = 10 epochs)\nepochs 10")
    assert recipe is not None
    assert [(each.code, each.severity) for each in diagnostics] == [("warmup-too-long", "warning")]


def test_arguments_of_the_network_have_names() -> None:
    recipe, diagnostics = read_recipe(tree_of("recipe r for n(2) {\n}\n"), Scope())
    assert recipe is None
    assert diagnostics[0].span.text == "2" and "name = value" in diagnostics[0].help


# ---------------------------------------------------------------- overrides


def test_overrides_replace_settings() -> None:
    settings = settings_of(
        "optimizer sgd(0.1)\nepochs 90\nbatch 256",
        epochs="5",
        optimizer="adam(1e-4)",
        seed="3",
    )
    assert settings == Settings(optimizer=Adam(1e-4), epochs=5, batch=256, seed=3)


def test_a_replaced_mistake_is_told_all_the_same() -> None:
    recipe, diagnostics = read("epochs 0", epochs="5")
    assert recipe is None and diagnostics[0].span.text == "0"


def test_mistakes_on_the_command_line_show_it() -> None:
    override, _ = read_override("optimizer", "adm(1e-3)")
    assert override is not None
    _, diagnostics = read_recipe(None, Scope(), (override,))
    assert diagnostics[0].span.source.name == "--optimizer"
    assert diagnostics[0].span.text == "adm"


@pytest.mark.parametrize("text", ["5\n batch 3", "5 }\nrecipe b for n {", "5\nthen { epochs 1 }"])
def test_an_override_is_one_setting(text: str) -> None:
    override, diagnostics = read_override("epochs", text)
    assert override is None
    assert diagnostics


@pytest.mark.parametrize("text", ["", "adam(", "= 5"])
def test_overrides_that_do_not_parse(text: str) -> None:
    override, diagnostics = read_override("optimizer", text)
    if override is not None:
        _, diagnostics = read_recipe(None, Scope(), (override,))
    assert diagnostics
    assert all(each.span.source.name == "--optimizer" for each in diagnostics)


# ---------------------------------------------------------------- choosing


def test_choosing() -> None:
    one, two = tree_of(IMAGENET), tree_of(ALPACA)
    assert choose_recipe((), None) is None
    assert choose_recipe((one,), None) is one
    assert choose_recipe((one, two), "alpaca") is two
    with pytest.raises(UnknownRecipe, match="--recipe imagenet or --recipe alpaca"):
        choose_recipe((one, two), None)
    with pytest.raises(UnknownRecipe, match="did you mean `alpaca`"):
        choose_recipe((one, two), "alpacka")
    with pytest.raises(UnknownRecipe, match="has none"):
        choose_recipe((), "alpaca")


# ---------------------------------------------------------------- records


@pytest.mark.parametrize("choices", [LOSSES, OPTIMIZERS, SCHEDULES, PREPROCESSING, AUGMENTATIONS])
def test_documentation_and_names(choices: tuple[type, ...]) -> None:
    names = [choice.name for choice in choices]
    assert len(set(names)) == len(names)
    for choice in choices:
        assert choice.__doc__ and choice.__doc__ is not object.__doc__
        for parameter in choice.parameters.values():
            assert parameter.documentation
            assert parameter.required or parameter.default_text


def test_texts_read_back() -> None:
    """What is shown of a recipe is a recipe."""
    recipe, _ = read_recipe(tree_of(IMAGENET), Scope())
    assert recipe is not None
    lines = [f"{name} {text}" for name, text in recipe.settings.texts().items()]
    assert settings_of("\n".join(lines)) == recipe.settings


def test_record_is_exact() -> None:
    settings = settings_of("optimizer adam(0.00123456789)\nschedule step(every = 1 / 3 epochs)")
    record = settings.record()
    assert record["optimizer"] == {
        "adam": {"rate": 0.00123456789, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    }
    assert record["schedule"] == {
        "step": {"peak": None, "warmup": "0 epochs", "factor": 0.1,
                 "every": f"{1 / 3!r} epochs", "at": None}
    }  # fmt: skip


def test_static() -> None:
    """Reading a recipe needs no numerical library."""
    program = (
        "import sys, netdsl.recipe\n"
        "heavy = {'jax', 'flax', 'optax', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def option_tables() -> str:
    """Settings and options as docs/training.md lists them."""
    parts = ["## Settings", "", "| setting | default | meaning |", "| --- | --- | --- |"]
    parts += rows(Settings)
    for title, choices in (
        ("Losses", LOSSES),
        ("Optimizers", OPTIMIZERS),
        ("Schedules", SCHEDULES),
        ("Preprocessing", PREPROCESSING),
        ("Augmentations", AUGMENTATIONS),
    ):
        parts += ["", f"## {title}"]
        for choice in choices:
            parts += ["", f"### {choice.name}", "", "```", cleandoc(choice.__doc__ or ""), "```"]
            parts += ["", "| argument | default | meaning |", "| --- | --- | --- |"]
            parts += rows(choice)
    return "\n".join(parts) + "\n"


def rows(choice: type[Documented]) -> list[str]:
    return [
        f"| `{name}` | {parameter.default_text or 'required'} | {parameter.documentation} |"
        for name, parameter in choice.parameters.items()
    ]


def test_the_documentation_lists_every_option(update_golden: bool) -> None:
    path = Path(__file__).parent.parent / "docs" / "training.md"
    text = path.read_text("utf-8")
    start = text.index("\n", text.index("<!-- options:")) + 1
    end = text.index("<!-- end of options -->")
    if update_golden:
        path.write_text(f"{text[:start]}\n{option_tables()}\n{text[end:]}", "utf-8")
        return
    assert text[start:end].strip() == option_tables().strip(), "`make golden` writes it"
