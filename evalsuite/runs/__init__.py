"""A run's life: the folder that keeps it and the pipeline that fills it."""
