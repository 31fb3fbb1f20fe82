"""The recipe: FastAPI, Celery and a pickled scikit-learn model, as its tutorials and its users write it."""
