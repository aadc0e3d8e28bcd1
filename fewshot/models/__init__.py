"""model.mdl: save, load, rebuild."""
