"""HRNet on the Hugging Face hub, through huggingface_hub's own mixin: safetensors, a configuration and a model card.

Needs `pip install huggingface_hub`.
"""

import json
from typing import Any

from huggingface_hub import ModelCard, PyTorchModelHubMixin

from .errors import UserError
from .models.network import HRNetModel
from .weights.zoo import WEIGHTS, get_weight

__all__ = ['HubHRNet']

_CARD = """---
{{ card_data }}
---

# {{ name }}

{{ parameters }} parameters; `{{ readout }}` readout of HRNet (Wang et al., TPAMI 2020).
{{ about }}
```python
from hrnet_mm.hub import HubHRNet

model = HubHRNet.from_pretrained('REPOSITORY').eval()
```
"""


class HubHRNet(
    HRNetModel,
    PyTorchModelHubMixin,
    library_name='hrnet_mm',
    tags=['hrnet', 'pytorch'],
    license='apache-2.0',
    model_card_template=_CARD,
):
    """HRNetModel with `from_pretrained`, `save_pretrained` and `push_to_hub`; arguments as HRNetModel.

    `weights` names the published entry that the weights are, if they are one: its metric and licence go into the
    model card.
    """

    def __init__(
        self,
        name: str,
        num_classes: int | None = None,
        in_channels: int = 3,
        weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        if weights is not None:
            get_weight(weights)
        super().__init__(name, num_classes, in_channels, **kwargs)
        self.weights = weights

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> 'HubHRNet':
        """Load from a repository of the hub or a folder; every key must fit.

        Raises ValueError for a repository and FileNotFoundError for a folder without safetensors, RuntimeError for
        keys that do not fit.
        """
        model: HubHRNet = super().from_pretrained(*args, strict=True, **kwargs)
        return model

    @classmethod
    def _load_as_pickle(cls, model: Any, model_file: str, *_: Any) -> Any:
        # The mixin's way out where a repository has no safetensors.
        raise UserError(f'{model_file} is a pickle, and the repository holds no model.safetensors: it is not read')

    def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
        """The card: what the network is, and metric, input and licence of the published weights in it."""
        data = self._hub_mixin_info.model_card_data
        about = ''
        if self.weights is not None:
            weight = WEIGHTS[self.weights]
            data.license = weight.licence.lower()
            metric = ', '.join(f'{name} {value}' for name, value in weight.metric.items()) or 'no metric of its own'
            size = ' x '.join(map(str, weight.input_size))
            about = (
                f'\nWeights `{self.weights}` of {weight.source}: {metric} as published there, at {size}. '
                f'RGB images of 0 to 255, mean {json.dumps(weight.mean)}, std {json.dumps(weight.std)}. '
                f'Licence {weight.licence}.\n'
            )
        parameters = f'{sum(p.numel() for p in self.parameters()):,}'
        card: ModelCard = ModelCard.from_template(
            data, template_str=_CARD, name=self.name, readout=self.readout, parameters=parameters, about=about
        )
        return card
