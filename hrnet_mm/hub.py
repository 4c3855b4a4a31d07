"""HRNet on the Hugging Face hub: safetensors, a configuration and a model card.

Requires `pip install huggingface_hub`.
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
    """HRNetModel with `from_pretrained`, `save_pretrained` and `push_to_hub` of huggingface_hub's mixin.

    Args:
        name: A readout and an architecture, such as 'hrnetv1_w32'; see `HRNetModel`.
        num_classes: The number of classes, keypoints or landmarks.
        in_channels: The channels of the input.
        weights: The name of the published entry that the weights come from; its metric and license go into the model
            card.
        **kwargs: Arguments of `HRNet`.

    Raises:
        UserError: A name or an argument is unknown.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = HubHRNet('hrnetv1_test-w8', num_classes=17).save_pretrained(folder)
        ...     model = HubHRNet.from_pretrained(folder)
        Loading weights from local directory
        >>> model.name, model.num_classes
        ('hrnetv1_test-w8', 17)
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
        """Load a network from a repository of the hub or from a folder.

        Args:
            *args: The repository's name, such as 'user/hrnet', or the folder.
            **kwargs: Other arguments of the mixin, such as `revision`.

        Returns:
            The network, whose every parameter is loaded.

        Raises:
            UserError: A repository has no safetensors file.
            FileNotFoundError: A folder has no safetensors file.
            RuntimeError: The keys do not fit.
        """
        model: HubHRNet = super().from_pretrained(*args, strict=True, **kwargs)
        return model

    @classmethod
    def _load_as_pickle(cls, model: Any, model_file: str, *_: Any) -> Any:
        # The mixin calls this where a repository has no safetensors file.
        raise UserError(
            f'{model_file} is a pickle, and the repository holds no model.safetensors; '
            'save the network again with HubHRNet.save_pretrained'
        )

    def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
        """Return the model card: the network, and the metric, input and license of its published weights."""
        data = self._hub_mixin_info.model_card_data
        about = ''
        if self.weights is not None:
            weight = WEIGHTS[self.weights]
            data.license = weight.license.lower()
            metric = ', '.join(f'{name} {value}' for name, value in weight.metric.items()) or 'no metric of its own'
            size = ' x '.join(map(str, weight.input_size))
            about = (
                f'\nWeights `{self.weights}` of {weight.source}: {metric} as published there, at {size}. '
                f'RGB images of 0 to 255, mean {json.dumps(weight.mean)}, std {json.dumps(weight.std)}. '
                f'License {weight.license}.\n'
            )
        parameters = f'{sum(p.numel() for p in self.parameters()):,}'
        card: ModelCard = ModelCard.from_template(
            data, template_str=_CARD, name=self.name, readout=self.readout, parameters=parameters, about=about
        )
        return card
