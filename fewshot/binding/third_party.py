"""The one explicit list of other people's classes that a config may name, by family.

A family is a prefix, as in `torch.optim.Adam` or `pml.ProxyAnchorLoss`: optimisers, schedules,
losses, miners and distances, which users bind. Base classes are left out, and optimisers that need
more than parameters and gradients.
"""

import inspect
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Family:
    """Names registered under one prefix, and the modules that they come from.

    listed: the names, with spaces between; closed: whether **kwargs of its constructors are only
    handed on to their base classes, so that the parameters of a class and its bases are all.
    """

    modules: tuple[str, ...]
    listed: str
    closed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names one by one."""
        return tuple(self.listed.split())


FAMILIES = {
    "torch.optim": Family(
        ("torch.optim",),
        "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax Muon NAdam RAdam RMSprop Rprop SGD",
    ),
    "torch.optim.lr_scheduler": Family(
        ("torch.optim.lr_scheduler",),
        "ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR "
        "LinearLR MultiStepLR OneCycleLR PolynomialLR ReduceLROnPlateau StepLR",
    ),
    "torch.nn": Family(
        ("torch.nn",),
        "CrossEntropyLoss MultiMarginLoss",
    ),
    "pml": Family(
        (
            "pytorch_metric_learning.losses",
            "pytorch_metric_learning.miners",
            "pytorch_metric_learning.distances",
        ),
        "AngularLoss ArcFaceLoss CircleLoss ContrastiveLoss CosFaceLoss CrossBatchMemory "
        "DynamicSoftMarginLoss FastAPLoss GeneralizedLiftedStructureLoss GenericPairLoss "
        "HistogramLoss InstanceLoss IntraPairVarianceLoss LargeMarginSoftmaxLoss "
        "LiftedStructureLoss MarginLoss MultiSimilarityLoss MultipleLosses "
        "NCALoss NPairsLoss NTXentLoss NormalizedSoftmaxLoss P2SGradLoss PNPLoss "
        "ProxyAnchorLoss ProxyNCALoss RankedListLoss "
        "SignalToNoiseRatioContrastiveLoss SmoothAPLoss SoftTripleLoss SphereFaceLoss "
        "SubCenterArcFaceLoss SupConLoss ThresholdConsistentMarginLoss TripletMarginLoss "
        "TupletMarginLoss "
        "AngularMiner BatchEasyHardMiner BatchHardMiner DistanceWeightedMiner "
        "EmbeddingsAlreadyPackagedAsTriplets HDCMiner MultiSimilarityMiner PairMarginMiner "
        "TripletMarginMiner UniformHistogramMiner "
        "BatchedDistance CosineSimilarity DotProductSimilarity LpDistance SNRDistance",
        closed=True,
    ),
    "pytorch_optimizer": Family(
        ("pytorch_optimizer",),
        "ADOPT AccSGD AdEMAMix AdaBelief AdaBound AdaDelta AdaFactor AdaMax AdaMod "
        "AdaNorm AdaPNM AdaSmooth Adai Adalite AdamG AdamP AdamS Adan AggMo Aida "
        "Amos AvaGrad CAME DAdaptAdaGrad DAdaptAdam DAdaptAdan DAdaptLion DAdaptSGD DiffGrad "
        "FAdam FTRL Fromage Grams Gravity GrokFastAdamW Kate LARS LaProp Lamb Lion "
        "MADGRAD MARS MSVAG Muon Nero NovoGrad PAdam PID PNM Prodigy "
        "QHAdam QHM RAdam Ranger Ranger21 SGDP SGDSaI SGDW SM3 SOAP SPlus SRMM SWATS "
        "Shampoo SignSGD StableAdamW Tiger VSGD Yogi",
    ),
}


def family_of(selector: str) -> str | None:
    """The family that a full third-party name belongs to, or None."""
    prefix, _, name = selector.rpartition(".")
    return prefix if prefix in FAMILIES and name in FAMILIES[prefix].names else None


def third_party_names() -> list[str]:
    """Every listed name with its prefix, imported or not."""
    return [f"{prefix}.{name}" for prefix, family in FAMILIES.items() for name in family.names]


_WORDS = {  # which a library looks for one by one, and takes any other for another of them
    "pml.TripletMarginMiner.type_of_triplets": Literal["all", "hard", "semihard", "easy"],
}


def plain_type(name: str, parameter: inspect.Parameter) -> Any:
    """What a library's parameter takes where that is plain: a flag, so many numbers; else None.

    name: the class's, as it is bound. Libraries test a flag for truth, so that 'no' turns it on;
    their other annotations are too often wrong to be held against anybody.
    """
    if (full := f"{name}.{parameter.name}") in _WORDS:
        return _WORDS[full]
    default = parameter.default
    if isinstance(default, bool) or parameter.annotation in (bool, bool | None):
        return bool | None if default is None else bool
    numbers = isinstance(default, tuple) and all(type(one) in (int, float) for one in default)
    return tuple[(float,) * len(default)] if default and numbers else None  # type: ignore[misc]
