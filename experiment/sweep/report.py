"""What a sweep leaves for people to read: table.md, table.csv and figure.png."""

import pathlib
from collections.abc import Sequence

from experiment.sweep.figure import draw, save
from experiment.sweep.rows import Row
from experiment.sweep.scores import score_rows
from experiment.sweep.table import as_csv, markdown
from experiment.training import write_lines


def write_report(
    folder: pathlib.Path, config: str, rows: Sequence[Row], references: Sequence[str]
) -> None:
    """Writes table.md, table.csv and figure.png: what is known so far."""
    scores, first = score_rows(rows, references), rows[0]
    about = (
        f"`{config}` on {first.config.data.corpus}, scored on {first.config.evaluation.test_split} "
        f"({len(references):,} sentences) with beam {first.config.decode.beam_size}."
    )
    if results := first.results():
        count = len(results[0]["averaged_steps"])
        about += (
            f" {f'Mean of {count} checkpoints' if count > 1 else 'No averaging'}. sacreBLEU: "
            f"`{results[0]['sacrebleu_signature']}`; tokenised BLEU: "
            f"`{results[0]['tokenized_bleu_signature']}`."
        )
    title = f"Sweep of {pathlib.Path(config).stem}"
    folder.mkdir(parents=True, exist_ok=True)
    table = markdown(scores, title=title, about=about)
    write_lines(folder / "table.md", table.splitlines())
    write_lines(folder / "table.csv", as_csv(scores).splitlines())
    save(draw(scores, title=title), folder / "figure.png")
