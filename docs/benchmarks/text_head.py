"""Train the effect head that comes with tslm, on generated statements.

    python docs/benchmarks/text_head.py        # or: make text-head

The backbone reads each sentence once (two minutes on one core); the head trains in seconds. Equal
seeds give equal heads. Depth, dropout and steps were chosen on validation wordings.
"""

import argparse
from pathlib import Path

import torch

from tslm.evaluation.statements.generator import generate
from tslm.evaluation.statements.readers import backbone, targets, trained
from tslm.models.text.head_file import SHIPPED, StoredHead, write_head
from tslm.models.text.sentence_reader import SENTENCE, SentenceReader

TRAINING, VALIDATION = 4000, 600  # statements


def main() -> None:
    """Train and write the head, and print its errors on validation wordings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="smollm2-135m")
    parser.add_argument("--n-layers", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    chosen = parser.parse_args()
    body = backbone(chosen.backbone, chosen.n_layers)
    reader = SentenceReader(body)
    train, val = generate(TRAINING, "train"), generate(VALIDATION, "val")
    head = trained(reader.read, train, val, chosen.seed)
    texts, known = [one.text for one in val], targets(val)
    with torch.no_grad():
        said = head(reader.read(texts), texts)
    error = (said.log_factor - known.log_factor)[known.replaced == 0]
    print(f"log factor, validation wordings: mean absolute error {error.abs().mean():.3f}")
    found = ((said.replaced > 0.5) == (known.replaced > 0.5)).float().mean()
    print(f"replacements told from other effects: {found:.3f}")
    print(f"sentences read: {reader.readings}")
    identity = body.identity
    stored = StoredHead(head, chosen.backbone, identity.fingerprint, identity.n_layers, SENTENCE)
    write_head(stored, chosen.out)
    print(f"wrote {chosen.out}")


if __name__ == "__main__":
    main()
