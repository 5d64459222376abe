"""Guests that are machines: what their hosts have over the image, and what they told."""
