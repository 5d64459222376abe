"""The demo: a lab and the product, driven by nothing but the commands that an operator has."""
