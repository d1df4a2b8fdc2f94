"""``python -m scripts.cli``: what ``scripts/pousada`` runs."""

from scripts.cli.app import app

app(prog_name="pousada")
