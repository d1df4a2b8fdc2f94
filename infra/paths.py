"""Where the app's inputs lie in the repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUERIES = ROOT / "docs" / "queries"
FUNCTION_REQUIREMENTS = ROOT / "lambdas" / "requirements.txt"
ETL_FUNCTION_REQUIREMENTS = ROOT / "lambdas" / "etl" / "requirements.txt"
JOB_REQUIREMENTS = ROOT / "glue_jobs" / "requirements.txt"
