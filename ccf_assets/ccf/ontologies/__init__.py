"""Ontologies in the forms that labs have, read into the one graph that everything else uses."""
