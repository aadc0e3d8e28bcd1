"""The training loop and what it is made of; `fewshot.trainer` is its front."""
