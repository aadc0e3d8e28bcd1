"""A gin-configured experiment runner for fashion images: few-shot and metric learning."""
