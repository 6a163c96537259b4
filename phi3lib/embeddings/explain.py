"""Why a picture was found: which of its patches are most like the query."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.knn import cosine_matrix


@torch.inference_mode()
def patch_likeness(clip: Any, picture: Any, query: ArrayLike) -> NDArray[np.float32]:
    """Return the cosine of every patch of a picture with a query vector: (rows, columns) of patches.

    Each patch after the last layer goes through the norm and the projection that were trained for the class
    token (as in MaskCLIP, Zhou et al. 2022). The patches were not trained for this comparison: it is only an
    indication.
    """
    pixels = clip.pixel_values([picture])
    tower = clip.model.vision_model
    hidden = tower(pixel_values=pixels).last_hidden_state[0, 1:]
    patches = clip.model.visual_projection(tower.post_layernorm(hidden)).float().cpu().numpy()
    likeness = cosine_matrix(patches, np.atleast_2d(np.asarray(query)))[:, 0]
    side = round(len(likeness) ** 0.5)
    return likeness.reshape(side, side)
