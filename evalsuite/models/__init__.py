"""Where images come from: diffusers pipelines, the typeset reference, folders of images."""
