"""What a stage costs in a month, from its synthesised templates, a table of prices and a model of its traffic."""
