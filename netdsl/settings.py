"""What a recipe may choose: losses, optimizers, schedules, changes of images, and plain settings.

Records only; `netdsl.train` and `netdsl.data` turn them into computations. In the formulas, g is a
gradient, w a weight, t the step counted from 0, T the steps of the whole run and W those of the
warm-up.
"""

from __future__ import annotations

from netdsl.kinds import Boolean, Integer, Number, WindowKind
from netdsl.parameters import Documented, param
from netdsl.preprocess import PREPROCESSING, Fit, Normalize, Preparation
from netdsl.recipe_kinds import (
    Chain,
    ClassNames,
    Duration,
    DurationKind,
    DurationList,
    Fraction,
    Interval,
    Option,
    Rate,
    Selected,
    Text,
)
from netdsl.tensor import Window

# ---------------------------------------------------------------- losses


class CrossEntropy(Option):
    """The mean over a batch of -sum_k q_k log softmax(logits)_k.

    q = 1 - s + s/K at the true class and s/K elsewhere, for K classes. Side branches add theirs,
    times their weights.
    Source: Szegedy et al. 2015, arXiv:1512.00567, section 7.
    """

    name = "cross_entropy"
    label_smoothing: float = param(
        "s, the share of the target spread evenly over all classes", Fraction(), default=0.0
    )


LOSSES: tuple[type[Option], ...] = (CrossEntropy,)

# ---------------------------------------------------------------- optimizers

_DECOUPLED = "decay of each weight per step, times the rate, apart from the gradient"
_COUPLED = "times w, added to the gradient; over all weights"
_FIRST = "decay of the running mean of g"
_SECOND = "decay of the running mean of g²"


class Optimizer(Option):
    """`rate` is the peak of the schedule; it is given here or as the schedule's `peak`."""

    rate: float | None = param(
        "learning rate; left out where the schedule has a `peak`",
        Rate("the schedule's peak"),
        default=None,
    )


class Sgd(Optimizer):
    """Gradient descent: m = momentum m + g, w -= rate m; Nesterov's uses g + momentum m for m.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum".
    """

    name = "sgd"
    momentum: float = param("decay of the running sum of gradients", Fraction(), default=0.0)
    nesterov: bool = param("look ahead along the momentum", Boolean(), default=False)
    weight_decay: float = param(_COUPLED, Number(0), default=0.0)

    def contradiction(self) -> str:
        return "`nesterov` needs a `momentum`" if self.nesterov and not self.momentum else ""


class Adam(Optimizer):
    """w -= rate m / (sqrt(v) + epsilon), with m and v corrected for their start at 0.

    Source: Kingma & Ba 2014, arXiv:1412.6980, algorithm 1.
    """

    name = "adam"
    beta1: float = param(_FIRST, Fraction(), default=0.9)
    beta2: float = param(_SECOND, Fraction(), default=0.999)
    epsilon: float = param("added to the root", Number(0), default=1e-8)


class AdamW(Optimizer):
    """Adam with w -= rate weight_decay w beside its step.

    Source: Loshchilov & Hutter 2017, arXiv:1711.05101, algorithm 2.
    """

    name = "adamw"
    beta1: float = param(_FIRST, Fraction(), default=0.9)
    beta2: float = param(_SECOND, Fraction(), default=0.999)
    epsilon: float = param("added to the root", Number(0), default=1e-8)
    weight_decay: float = param(_DECOUPLED, Number(0), default=0.01)


class RmsProp(Optimizer):
    """v = decay v + (1 - decay) g²; m = momentum m + g / sqrt(v + epsilon); w -= rate m.

    Source: Hinton, "Neural networks for machine learning", lecture 6; momentum as in the training
    of Inception and MobileNet.
    """

    name = "rmsprop"
    decay: float = param(_SECOND, Fraction(), default=0.9)
    momentum: float = param("decay of the running sum of steps", Fraction(), default=0.0)
    epsilon: float = param("added under the root", Number(0), default=1e-8)
    weight_decay: float = param(_COUPLED, Number(0), default=0.0)


class Lamb(Optimizer):
    """Adam's direction, plus decay, scaled for each array to the norm of its weights.

    Source: You et al. 2019, arXiv:1904.00962, algorithm 2.
    """

    name = "lamb"
    beta1: float = param(_FIRST, Fraction(), default=0.9)
    beta2: float = param(_SECOND, Fraction(), default=0.999)
    epsilon: float = param("added to the root", Number(0), default=1e-6)
    weight_decay: float = param(
        "times w, added to the direction before scaling", Number(0), default=0.0
    )


OPTIMIZERS: tuple[type[Option], ...] = (Sgd, Adam, AdamW, RmsProp, Lamb)

# ---------------------------------------------------------------- schedules


class Schedule(Option):
    """How the rate goes from step to step. While t < W it is peak (t + 1) / W."""

    peak: float | None = param(
        "highest learning rate; left out where the optimizer has a `rate`",
        Rate("the optimizer's rate"),
        default=None,
    )
    warmup: Duration = param(
        "W, the stretch of linear growth at the start",
        DurationKind(zero=True),
        default=Duration(0, "epochs"),
    )


class Constant(Schedule):
    """The peak, after the warm-up."""

    name = "constant"


class Step(Schedule):
    """peak factor^n, where n counts the whole stretches of `every`, or the moments of `at`, so far.

    Both count from the start of the run, warm-up included.
    Source: He et al. 2015, arXiv:1512.03385, section 4.2 (`at`).
    """

    name = "step"
    factor: float = param("what each drop multiplies the rate with", Rate("none"), default=0.1)
    every: Duration | None = param("stretch between drops", DurationKind(zero=False), default=None)
    at: tuple[Duration, ...] | None = param(
        "moments of the drops, instead of `every`", DurationList(), default=None
    )

    def contradiction(self) -> str:
        if (self.every is None) == (self.at is None):
            return "`step` needs `every` or `at`, one of the two"
        return ""


class Cosine(Schedule):
    """end + (peak - end) (1 + cos(pi (t - W) / (T - W))) / 2 after the warm-up.

    Source: Loshchilov & Hutter 2016, arXiv:1608.03983, equation 5, without restarts.
    """

    name = "cosine"
    end: float = param("rate that the last step approaches", Number(0), default=0.0)


class Exponential(Schedule):
    """peak factor^((t - W) / every) after the warm-up; the exponent is whole where `staircase`.

    Source: Szegedy et al. 2015, arXiv:1512.00567, section 8 (0.94 every two epochs).
    """

    name = "exponential"
    factor: float = param("what each stretch multiplies the rate with", Rate("none"), default=0.94)
    every: Duration = param("the stretch", DurationKind(zero=False), default=Duration(2, "epochs"))
    staircase: bool = param("drop at the end of each stretch only", Boolean(), default=False)


SCHEDULES: tuple[type[Option], ...] = (Constant, Step, Cosine, Exponential)

# ---------------------------------------------------------------- augmentations


class Mirror(Option):
    """Swap left and right."""

    name = "mirror"
    probability: float = param("how often", Number(0, 1), default=0.5)


class RandomShift(Option):
    """Move the image by up to `pixels` along each axis; what comes in is black."""

    name = "random_shift"
    pixels: int = param("largest shift, pixels of the network's input", Integer(1))


class RandomCrop(Option):
    """Cut out a random part and resize it.

    A chain that crops gets images in their own size; without a crop it gets them resized to the
    network's input.
    Source: Szegedy et al. 2014, arXiv:1409.4842, section 6.
    """

    name = "random_crop"
    size: Window = param("pixels of the result, the network's input", WindowKind())
    scale: tuple[float, float] = param(
        "least and largest share of the area", Interval(1), default=(0.08, 1.0)
    )
    ratio: tuple[float, float] = param(
        "least and largest width over height", Interval(), default=(3 / 4, 4 / 3)
    )


class ColorJitter(Option):
    """Scale brightness, contrast and saturation, in random order.

    Each factor is drawn evenly from [1 - strength, 1 + strength].
    Source: Howard 2013, arXiv:1312.5402, section 2.
    """

    name = "color_jitter"
    strength: float = param("largest change of each factor", Number(0, 1))


class PcaColor(Option):
    """Add sum_i a_i l_i p_i to every pixel, a_i drawn from a normal distribution.

    l_i and p_i are the eigenvalues and eigenvectors of the covariance of the channels over the
    training images.
    Source: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
    networks", section 4.1.
    """

    name = "pca_color"
    deviation: float = param("standard deviation of a_i", Number(0), default=0.1)


AUGMENTATIONS: tuple[type[Option], ...] = (Mirror, RandomShift, RandomCrop, ColorJitter, PcaColor)

# ---------------------------------------------------------------- the whole


class Settings(Documented):
    """Everything that decides how a network is trained; the defaults are the default recipe."""

    name = "recipe"
    loss: Option = param("what is minimised", Selected(LOSSES), default=CrossEntropy())
    optimizer: Optimizer = param(
        "how weights follow the gradient", Selected(OPTIMIZERS), default=Adam(rate=1e-3)
    )
    schedule: Schedule = param(
        "how the learning rate goes", Selected(SCHEDULES), default=Constant()
    )
    epochs: int = param("passes over the training images", Integer(1), default=10)
    batch: int = param("images in a step", Integer(1), default=64)
    preprocess: tuple[Option, ...] = param(
        "how any image becomes the network's input", Preparation(PREPROCESSING), default=(Fit(),)
    )
    augment: tuple[Option, ...] = param(
        "random changes of each training image", Chain(AUGMENTATIONS), default=()
    )
    validation: float = param(
        "share of each class that is held out, where the data has no validation part of its own",
        Fraction(),
        default=0.2,
    )
    seed: int = param("start of every random choice", Integer(0), default=0)
    classes: str | tuple[str, ...] | None = param(
        "what the outputs mean, where no training data says it", ClassNames(), default=None
    )
    data: str | None = param(
        "folder with a folder for each class, .npz file, or `digits`", Text(), default=None
    )

    @property
    def peak(self) -> float:
        """The learning rate that the schedule is scaled to."""
        peak = self.optimizer.rate if self.schedule.peak is None else self.schedule.peak
        assert peak is not None, "read_recipe refuses a recipe without a learning rate"
        return peak

    @property
    def normalize(self) -> Normalize | None:
        """The declared normalisation; None where it follows from the training images."""
        last = self.preprocess[-1]
        return last if isinstance(last, Normalize) else None

    def texts(self) -> dict[str, str]:
        """Each setting as a program would write it; unset ones are left out."""
        return {
            key: parameter.kind.show(self.__dict__[key])
            for key, parameter in type(self).parameters.items()
            if self.__dict__[key] is not None
        }

    def record(self) -> dict[str, object]:
        """Its exact values in plain types, for a JSON file."""
        return {key: _plain(self.__dict__[key]) for key in type(self).parameters}


_RECORDS: tuple[type[Documented], ...] = (
    Settings,
    *LOSSES,
    *OPTIMIZERS,
    *SCHEDULES,
    *PREPROCESSING,
    *AUGMENTATIONS,
)

WORDS: frozenset[str] = frozenset(
    word
    for record in _RECORDS
    for parameter in record.parameters.values()
    for word in getattr(parameter.kind, "words", ())
)
"""What settings take written bare, such as `bicubic`."""


def _plain(value: object) -> object:
    if isinstance(value, Documented):
        return {value.name: {key: _plain(each) for key, each in value.__dict__.items()}}
    if isinstance(value, Duration):
        return f"{value.value!r} {value.unit}"
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value
