"""The atlas and the sites as Neuroglancer shows them: in a viewer of one's own, or as a folder of files.

It gets them from above: `Atlas.view` and the command export know which regions and sites are asked for.
"""
