"""tilores-x answers questions about customers out of Tilores, with the records that prove each answer."""

__version__ = "0.1.0"
