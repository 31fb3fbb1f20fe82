"""Where things lie: the repository, the shipped model, and what is made once and kept."""

from pathlib import Path

RECIPE_DIR = Path(__file__).resolve().parents[1]
REPOSITORY = RECIPE_DIR.parents[1]
ONNX_MODEL = REPOSITORY / "models" / "iris" / "1" / "model.onnx"
CACHE = REPOSITORY / "node_modules" / ".cache" / "bench-recipe"
