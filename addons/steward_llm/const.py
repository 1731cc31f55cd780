"""Names and limits that several models share."""

# how a cost was found, the best first; a type in kernel.pricing
SOURCES = [
    ("provided", "Told by the provider"),
    ("computed", "Usage x price"),
    ("estimated", "Estimate"),
    ("unknown", "Price unknown"),
]
# what a call was for
MODEL_TEST = "Test of a model"
REPAIR = "Repair of an answer"
