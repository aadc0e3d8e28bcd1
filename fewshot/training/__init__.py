"""The training loop and what it is made of; `fewshot.training.trainer` is its front."""
