"""Image embeddings of CLIP and Phi-3-vision: learn them, see them, use them.

The names below are the whole public surface. Each is imported when it is first used, so that
`import phi3lib` itself costs milliseconds, opens no file and asks no network.
"""

from typing import TYPE_CHECKING

from phi3lib.lazy import lazy_names
from phi3lib.moved import install

if TYPE_CHECKING:
    from phi3lib.embeddings.embed import embed_images, embed_texts
    from phi3lib.embeddings.table import EmbeddingTable
    from phi3lib.encoders import load_encoder
    from phi3lib.encoders.swap import swap_vision_tower
    from phi3lib.lab.atlas import Atlas
    from phi3lib.loading.checkpoints import load_clip, load_phi3_model, process_for_phi3_model
    from phi3lib.vision.hd_transform import hd_grid
    from phi3lib.vision.image_embedding import Phi3ImageEmbedding
    from phi3lib.vision.image_processing import Phi3VImageProcessor
    from phi3lib.vision.modeling import Phi3VConfig, Phi3VForCausalLM, register_auto_classes
    from phi3lib.vision.text_processing import Phi3VProcessor

__version__ = "0.2.0"

_HOMES = {
    "Atlas": "phi3lib.lab.atlas:Atlas",
    "EmbeddingTable": "phi3lib.embeddings.table:EmbeddingTable",
    "Phi3ImageEmbedding": "phi3lib.vision.image_embedding:Phi3ImageEmbedding",
    "Phi3VConfig": "phi3lib.vision.modeling:Phi3VConfig",
    "Phi3VForCausalLM": "phi3lib.vision.modeling:Phi3VForCausalLM",
    "Phi3VImageProcessor": "phi3lib.vision.image_processing:Phi3VImageProcessor",
    "Phi3VProcessor": "phi3lib.vision.text_processing:Phi3VProcessor",
    "embed_images": "phi3lib.embeddings.embed:embed_images",
    "embed_texts": "phi3lib.embeddings.embed:embed_texts",
    "hd_grid": "phi3lib.vision.hd_transform:hd_grid",
    "load_clip": "phi3lib.loading.checkpoints:load_clip",
    "load_encoder": "phi3lib.encoders:load_encoder",
    "load_phi3_model": "phi3lib.loading.checkpoints:load_phi3_model",
    "process_for_phi3_model": "phi3lib.loading.checkpoints:process_for_phi3_model",
    "register_auto_classes": "phi3lib.vision.modeling:register_auto_classes",
    "swap_vision_tower": "phi3lib.encoders.swap:swap_vision_tower",
}

__all__ = [
    "Atlas",
    "EmbeddingTable",
    "Phi3ImageEmbedding",
    "Phi3VConfig",
    "Phi3VForCausalLM",
    "Phi3VImageProcessor",
    "Phi3VProcessor",
    "embed_images",
    "embed_texts",
    "hd_grid",
    "load_clip",
    "load_encoder",
    "load_phi3_model",
    "process_for_phi3_model",
    "register_auto_classes",
    "swap_vision_tower",
]

__getattr__, __dir__ = lazy_names(globals(), _HOMES)
install()
