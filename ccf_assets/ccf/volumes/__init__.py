"""Annotation volumes in the forms that labs have, read as what they are and turned into the canonical planes.

The official files, which are canonical already, are read by nrrd, the module beside this package.
"""
