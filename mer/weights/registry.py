"""Which weight files `mer` knows: those that come with it, and published ones that a user may fetch.

Nothing is downloaded unless asked for by name (`mer weights fetch`): every stage and model has a default that needs
no download. Sizes, digests and licences of published files are those of specs/aman-magnet-rife.md B.3, B.9 and C.7 and
specs/au-fusion.md §8. Where no digest is published, `mer` does not download: the user brings the file, and its digest
is recorded on acceptance.
"""

from __future__ import annotations

from dataclasses import dataclass

RIFE_PAGE = "https://huggingface.co/hzwer/RIFE"
ZHENG = "https://github.com/ZhengPeng7/motion_magnification_learning-based"


@dataclass(frozen=True)
class Weights:
    """One weight file.

    `file` names a file bundled in `mer/weights/files`; published files have none. `size` (bytes) and `sha256` are those
    of the weight file itself and None where unknown. Where `url` is a zip archive, `member` names the file in it and
    `download` the archive's size in bytes.
    """

    network: str
    variant: str
    licence: str
    source: str
    file: str | None = None
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    member: str = ""
    download: int | None = None

    @property
    def bundled(self) -> bool:
        """Whether the file comes with `mer`."""
        return self.file is not None


WEIGHTS: dict[str, Weights] = {
    "ifnet_small": Weights(
        network="ifnet",
        variant="small",
        file="ifnet_small.safetensors",
        size=863_104,
        sha256="831c5260f90dcadee2041e946bed0f1fd8b0b73134295b04fe1fa13c0f841217",
        licence="MIT, as mer",
        source="trained with mer.pretrain.ifnet on simulated frames",
    ),
    "rife_m": Weights(
        network="ifnet",
        variant="m",
        url=f"{RIFE_PAGE}/resolve/main/RIFE_m_train_log.zip",
        size=42_884_324,
        sha256="9f9e2e8b5c3fef311c9a782aa17a30f87c388ce6dc9c00e4993eba3d3941d3cb",
        licence="MIT (code; no separate terms for weights trained on Vimeo90K)",
        source=f"{RIFE_PAGE}, RIFE_m_train_log.zip, flownet.pkl",
        member="flownet.pkl",
        download=39_819_850,
    ),
    "rife_v3.6": Weights(
        network="ifnet",
        variant="v3.6",
        licence="MIT (code; no separate terms for weights trained on Vimeo90K)",
        source=f"{RIFE_PAGE}, RIFEv3.6_HD_preview.zip, flownet.pkl; no digest is published",
    ),
    "rife_v4.6": Weights(
        network="ifnet",
        variant="v4.6",
        licence="MIT (the repository extends it to the models)",
        source="https://github.com/HolyWu/vs-rife/releases, tag model, flownet_v4.6.pkl; no digest is published",
    ),
    "magnet_small": Weights(
        network="magnet",
        variant="small",
        file="magnet_small.safetensors",
        size=273_976,
        sha256="f716eca4b08304012b6ead43b64328491274d007a1a6686d6ee7d5af7d117629",
        licence="MIT, as mer",
        source="trained with mer.pretrain.magnet on simulated faces and textures",
    ),
    "spotter_faces": Weights(
        network="faces",
        variant="spotting",
        file="spotter_faces.safetensors",
        size=133_632,
        sha256="7811da2bdafdc725004133788f18b50ad5235fc9a6788f70cd0b7f66a15bf4f4",
        licence="MIT, as mer",
        source="trained with mer.pretrain.spotter on simulated faces and one film",
    ),
    "magnet_aman": Weights(
        network="magnet",
        variant="kkjh",
        size=3_727_113,
        sha256="a259b19b5bbef69d3efea1182369fd179e429c315ace107ebe0ded6792ff60ba",
        licence="none stated: not to be redistributed",
        source="the published AMAN code, mag_imple/learning_based_mag.pth.tar",
    ),
    "magnet_zheng": Weights(
        network="magnet",
        variant="zp7",
        url=f"{ZHENG}/releases/download/v1.0/magnet_epoch12_loss7.28e-02.pth",
        size=3_528_201,
        sha256="26c0e3ba528152d9219698ca4dac8a1924e3c4528f81277c3296fb7c034d4fae",
        licence="MIT (code); trained on the synthetic set of MIT CSAIL, academic use",
        source=f"{ZHENG}, release v1.0",
    ),
}
