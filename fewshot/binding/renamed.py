"""Names that configs of earlier versions hold, and what each is called now."""

_NAMES = {
    f"{kind}Head": f"{kind}Classifier"
    for kind in ("Linear", "TwoLayer", "ThreeLayer", "Cosine", "Identity")
}
_PARAMETERS = {
    **{
        f"FewShotEvaluation.{name}": f"NovelEpisodes.{name}"
        for name in ("n_way", "n_shot", "n_query", "n_episodes", "seed")
    },
    **{
        f"Trainer.{name}": f"Hardware.{name}"
        for name in (
            *("accelerator", "devices", "precision", "evaluation_precision"),
            *("sync_batchnorm", "compiled"),
        )
    },
    "TransferNet.head": "TransferNet.classifier",
    "TransferNet.new_head": "TransferNet.new_classifier",
    "RotationNet.head": "RotationNet.classifier",
    "ExemplarNet.head": "ExemplarNet.classifier",
    "TripletNet.embedding_size": "Projection.size",
    "TripletNet.normalize": "Projection.normalize",
    "TripletNet.proxy_lr_factor": "Proxies.lr_factor",
}


def now_called(name: str) -> str:
    """A sentence that says what an earlier version's name is called now; "" for any other."""
    new = _NAMES.get(name) or _PARAMETERS.get(name)
    return f" It is called {new} now." if new else ""
