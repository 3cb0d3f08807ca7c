"""The atlas and the sites as Neuroglancer shows them: in a viewer of one's own, or as a folder of files.

What the regions and the sites of an atlas are is in atlas.
"""
