"""What a clone and a deployment depend on: ``python -m scripts.dependencies`` writes it down, ``--check`` compares.

inventory.py            every package of both locks: version, hashes, licence, who uses it, what it brings along
licences.py             a package's licence, and which are permitted
bill_of_materials.py    the inventory as CycloneDX
page.py                 the inventory as the table in docs/dependencies.md
"""
