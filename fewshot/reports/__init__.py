"""Tables, pictures and pages made from figures; knows nothing of models or training."""
