"""Where the app's inputs lie in the repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUERIES = ROOT / "docs" / "queries"
LOCK = ROOT / "requirements.lock"
CERTIFICATES = ROOT / "shared" / "storage" / "certificates.pem"
FUNCTION_REQUIREMENTS = "lambdas/requirements.txt"
ETL_FUNCTION_REQUIREMENTS = "lambdas/etl/requirements.txt"
MIGRATE_FUNCTION_REQUIREMENTS = "lambdas/migrate/requirements.txt"
JOB_REQUIREMENTS = "glue_jobs/requirements.txt"
