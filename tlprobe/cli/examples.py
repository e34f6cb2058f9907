"""One real command a verb, for its ``--help``; the order is that in which ``tlprobe --help`` lists the verbs."""

__all__ = ["EXAMPLES", "ORDER", "example_of"]

EXAMPLES = {
    "demo": "tlprobe demo --out out/demo",
    "fit": "tlprobe fit --data ESC-50-master --backbone densenet201 --fold 1 --epochs 10 --out runs/a",
    "svcca": "tlprobe svcca --ckpt runs/a --measure svcca --measure cka --out out/svcca",
    "fuse": "tlprobe fuse --ckpt runs/a --shape single --rest shuffled --out out/fuse",
    "freeze": "tlprobe freeze --upto block2 --ckpt runs/a --out out/freeze",
    "cutoff": "tlprobe cutoff --after block3 --ckpt runs/a --out out/cutoff",
    "attribute": "tlprobe attribute --ckpt runs/a --method all --n-clips 4 --listen --out out/attribute",
    "faithfulness": "tlprobe faithfulness --ckpt runs/a --n-clips 50 --out out/faithfulness",
    "transferability": "tlprobe transferability --data ESC-50-master --fold 1 --backbone resnet50 --out out/blocks",
    "ensemble": "tlprobe ensemble --ckpt runs/a runs/b runs/c --out out/ensemble",
    "eval": "tlprobe eval --ckpt runs/a --data recordings/ --out out/eval",
    "tune": "tlprobe tune --space space.yaml --trials 30 --sampler gp --out out/tune",
    "study": "tlprobe study run grid.yaml --jobs 2 --trials runs/trials",
    "study plan": "tlprobe study plan grid.yaml --trials runs/trials",
    "study run": "tlprobe study run grid.yaml --engine ray --address auto --jobs 8",
    "study status": "tlprobe study status grid.yaml --trials runs/trials",
    "study tables": "tlprobe study tables grid.yaml --trials runs/trials --out out/tables",
    "study figures": "tlprobe study figures grid.yaml --trials runs/trials --out out/figures",
    "data": "tlprobe data info ESC-50-master --out out/data_info",
    "data list": "tlprobe data list",
    "data fetch": "tlprobe data fetch esc50 --to data",
    "data info": "tlprobe data info recordings/ --n-folds 5 --out out/data_info",
    "data verify": "tlprobe data verify ESC-50-master --jobs 2",
    "data prepare": "tlprobe data prepare ESC-50-master --features log-mel3 --jobs 2",
    "figure": "tlprobe figure out/svcca out/fuse out/freeze --width double --format pdf,svg --out fig2.pdf",
    "report": "tlprobe report runs/a out/svcca out/freeze out/attribute --out report.html",
    "export": "tlprobe export --ckpt runs/a --to timm --out network.safetensors",
    "runs": "tlprobe runs runs --sort accuracy",
    "rm": "tlprobe rm runs/a runs/b",
    "explain": "tlprobe explain svcca",
    "doctor": "tlprobe doctor",
}

ORDER = tuple(dict.fromkeys(name.partition(" ")[0] for name in EXAMPLES))


def example_of(path: str) -> str:
    r"""Return what stands below the help of a verb.

    Parameters
    ----------
    path : str, one of `EXAMPLES`
        The verb, with the verb above it: ``"study run"``.

    Returns
    -------
    text : str
        Starting with the mark that keeps its lines as they are.
    """
    about = f"`tlprobe explain {path.partition(' ')[0]}` says more: definition, how to read its figure, pitfalls."
    return f"\b\nExample:\n  {EXAMPLES[path]}\n\n{about}"
