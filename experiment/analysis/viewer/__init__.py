"""One HTML file to look at what heads attend to, and at what a model says without each of them."""

from experiment.analysis.viewer.data import Content, look
from experiment.analysis.viewer.given import Given, first_that_fit, given_lines
from experiment.analysis.viewer.page import page
from experiment.analysis.viewer.removal import Removals

__all__ = ["Content", "Given", "Removals", "first_that_fit", "given_lines", "look", "page"]
